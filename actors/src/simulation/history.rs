//! The oracle: what the disk holds, folded into plain collections by code that shares nothing with
//! `apply`. It only ever sees durable records, and never forgets one.

use std::collections::{BTreeMap, HashMap, HashSet};

use snapshots::{Reader, RecordView, Section, SectionView};

use crate::event::{Event, Stream};
use crate::ids::{InviteCode, PersonId, Seq, Timestamp, Uuid};
use crate::invites;
use crate::quality::{self, Colour, Seen};
use crate::record::{self, Head, NO_EVENT};
use crate::referrals;
use crate::waitlist::{self, EntryState};

/// What a request can bring about, so far as it can be told from other requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Effect {
    Joined(PersonId),
    Boosted(PersonId, i32),
    Left(PersonId),
    Issued(String),
    Waved(String),
    Redeemed(InviteCode, PersonId),
    Reserved(InviteCode, PersonId),
    Referred(PersonId, PersonId),
    Rewarded(PersonId),
    Reviewed(PersonId, bool),
    Observed(Timestamp),
}

/// Somebody on the list, or who was.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) person: PersonId,
    pub(super) score: i64,
    /// What of it comes from referrals.
    credited: i64,
    /// None once the person has left.
    pub(super) state: Option<EntryState>,
}

/// Where somebody stood when a join was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) person: PersonId,
    pub(super) index: usize,
    pub(super) score: i64,
    pub(super) position: usize,
    pub(super) total: usize,
}

/// A code and what has become of it.
#[derive(Clone, Debug)]
pub(super) struct CodeFacts {
    pub(super) code: InviteCode,
    pub(super) max_uses: u32,
    pub(super) used_by: Vec<PersonId>,
    pub(super) bound: Option<PersonId>,
    pub(super) holder: Option<PersonId>,
    pub(super) expires_at: Timestamp,
    /// Whether it was taken back with the reward that it was part of.
    withdrawn: bool,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    at: Timestamp,
    /// The newest foreign record that it has passed by.
    passed: Seq,
}

/// A durable record, to be found again after every crash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) body: Vec<u8>,
    pub(super) sections: Vec<Section>,
}

#[derive(Default)]
pub(super) struct History {
    pub(super) records: Vec<Kept>,
    pub(super) list: Vec<Place>,
    pub(super) placed: HashMap<Timestamp, Placed>,
    pub(super) left: HashMap<Seq, (PersonId, Timestamp)>,
    pub(super) codes: Vec<CodeFacts>,
    pub(super) issued: HashMap<String, Vec<InviteCode>>,
    /// The people of each wave, and of those codes that were sent because of it.
    pub(super) waves: BTreeMap<String, [Vec<PersonId>; 2]>,
    /// Every hold there ever was.
    pub(super) holds: Vec<(Uuid, InviteCode, PersonId)>,
    /// Who came in, and has not left since.
    pub(super) members: BTreeMap<PersonId, (InviteCode, Timestamp)>,
    pub(super) inviters: BTreeMap<PersonId, PersonId>,
    /// What people have of their rewards, and what they had ever.
    rules: HashSet<(PersonId, String)>,
    rules_ever: HashSet<(PersonId, String)>,
    /// Codes of rewards that are out of the world and not granted again, as the graph was told; and
    /// those that went and came back all in all, for the graph and for the registry.
    reclaimed: BTreeMap<PersonId, i64>,
    pub(super) returns: [BTreeMap<PersonId, i64>; 2],
    /// Whom the product has flagged and not cleared since.
    flagged: HashSet<PersonId>,
    pub(super) rejected: HashSet<PersonId>,
    pub(super) gate: Colour,
    pub(super) book: BTreeMap<PersonId, Box<[u8]>>,
    counts: HashMap<Effect, u32>,
    requests: HashSet<u128>,
    courses: HashMap<u8, Course>,
    links: HashMap<Seq, [u8; 32]>,
}

impl History {
    /// The newest record.
    pub(super) fn newest(&self) -> Seq {
        self.records.len() as Seq
    }

    /// How often something has happened.
    pub(super) fn count(&self, effect: &Effect) -> u32 {
        self.counts.get(effect).copied().unwrap_or(0)
    }

    /// Everything that has happened, and how often.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&Effect, u32)> {
        self.counts.iter().map(|(effect, count)| (effect, *count))
    }

    /// The chain is the same wherever it is looked at.
    pub(super) fn link(&mut self, seq: Seq, chain: [u8; 32]) -> Result<(), String> {
        match self.links.insert(seq, chain) {
            Some(before) if before != chain => Err(format!("record {seq} has two chains")),
            _ => Ok(()),
        }
    }

    /// Takes in what has become durable, and finds again what was, from `from` on.
    pub(super) fn follow(&mut self, reader: &dyn Reader, from: Seq) -> Result<(), String> {
        let mut fault = None;
        let scanned = reader.scan(from, Seq::MAX, &mut |view| {
            if fault.is_none() {
                fault = self.take(view).err();
            }
        });
        scanned.map_err(|error| format!("the journal cannot be read: {error}"))?;
        fault.map_or(Ok(()), Err)
    }

    fn take(&mut self, view: RecordView<'_>) -> Result<(), String> {
        let seq = view.seq;
        let sections = view.sections().filter_map(|section| match section {
            SectionView::Kept { owner, salt, text } => {
                Some(Section { owner, salt, text: text.into() })
            }
            SectionView::Erased { .. } => None,
        });
        let kept = Kept { body: view.body.to_vec(), sections: sections.collect() };
        if let Some(before) = self.records.get(seq as usize - 1) {
            let same = *before == kept;
            return if same { Ok(()) } else { Err(format!("record {seq} is another one now")) };
        }
        if seq != self.newest() + 1 {
            return Err(format!("record {} is missing", self.newest() + 1));
        }
        let record = record::read(&kept.body).map_err(|error| error.to_string())?;
        self.follow_course(seq, record.head)?;
        if let Some((tag, _)) = record.request
            && !self.requests.insert(tag.id)
        {
            return Err(format!("record {seq} answers a request that was answered before"));
        }
        if record.head.tag != NO_EVENT {
            let event = Event::decode(record.head, record.payload);
            let event = event.map_err(|error| error.to_string())?;
            self.happen(seq, &event, record.head)
                .map_err(|what| format!("record {seq}: {what}: {event:?}"))?;
            self.write_down(&kept.sections, &event);
        }
        self.records.push(kept);
        Ok(())
    }

    /// Times go up, and nothing is reacted to twice.
    fn follow_course(&mut self, seq: Seq, head: Head) -> Result<(), String> {
        let course = self.courses.entry(head.stream as u8).or_default();
        if head.at <= course.at {
            return Err(format!("record {seq}: the time of {:?} stands still", head.stream));
        }
        if head.caused && head.seen <= course.passed {
            let what = format!("{:?} reacts to {} and had come past it", head.stream, head.seen);
            return Err(format!("record {seq}: {what}"));
        }
        if head.seen >= seq {
            return Err(format!("record {seq} has seen the future"));
        }
        course.at = head.at;
        course.passed = course.passed.max(head.seen);
        Ok(())
    }

    fn happen(&mut self, seq: Seq, event: &Event, head: Head) -> Result<(), String> {
        let at = head.at;
        match event {
            Event::Waitlist(event) => self.on_waitlist(seq, event, head),
            Event::Invites(event) => self.on_invites(event, at),
            Event::Referrals(event) => self.on_referrals(event),
            Event::Quality(quality::Event::GateMoved { gate, .. }) => {
                self.gate = gate.colour;
                Ok(())
            }
            Event::Quality(quality::Event::Observed { seen }) => {
                for &quality::Observation { person, kind, at } in seen {
                    self.counted(Effect::Observed(at));
                    match kind {
                        Seen::Fraud => drop(self.flagged.insert(person)),
                        Seen::Cleared => drop(self.flagged.remove(&person)),
                        Seen::Active | Seen::Churned => {}
                    }
                }
                Ok(())
            }
            Event::Quality(
                quality::Event::Counted { .. }
                | quality::Event::Drilled { .. }
                | quality::Event::Sampled { .. }
                | quality::Event::LoadMoved { .. },
            ) => Ok(()),
        }
    }

    fn counted(&mut self, effect: Effect) {
        *self.counts.entry(effect).or_default() += 1;
    }

    /// Somebody's entry, unless the person has left.
    pub(super) fn place(&self, person: PersonId) -> Option<(usize, &Place)> {
        let mut places = self.list.iter().enumerate();
        places.find(|(_, place)| place.person == person && place.state.is_some())
    }

    /// Those who wait, in order.
    pub(super) fn queue(&self) -> Vec<PersonId> {
        let waits = |(_, place): &(usize, &Place)| place.state == Some(EntryState::Waiting);
        let mut waiting: Vec<_> = self.list.iter().enumerate().filter(waits).collect();
        waiting.sort_by_key(|(index, place)| (-place.score, *index));
        waiting.into_iter().map(|(_, place)| place.person).collect()
    }

    fn move_to(&mut self, person: PersonId, to: Option<EntryState>) -> Option<EntryState> {
        let (index, _) = self.place(person)?;
        std::mem::replace(&mut self.list[index].state, to)
    }

    fn credit(&mut self, person: PersonId, total: i32) -> Result<(), String> {
        let (index, _) = self.place(person).ok_or("points for nobody")?;
        let place = &mut self.list[index];
        place.score += i64::from(total) - place.credited;
        place.credited = i64::from(total);
        Ok(())
    }

    fn on_waitlist(&mut self, seq: Seq, event: &waitlist::Event, head: Head) -> Result<(), String> {
        let at = head.at;
        match *event {
            waitlist::Event::Joined { person, score, .. } => {
                if self.place(person).is_some() {
                    return Err("somebody is on the list twice".to_owned());
                }
                let (index, score) = (self.list.len(), i64::from(score));
                self.list.push(Place {
                    person,
                    score,
                    credited: 0,
                    state: Some(EntryState::Waiting),
                });
                let queue = self.queue();
                let before = queue.iter().take_while(|waiting| **waiting != person).count();
                let (position, total) = (before + 1, queue.len());
                self.placed.insert(at, Placed { person, index, score, position, total });
                self.counted(Effect::Joined(person));
            }
            waitlist::Event::Boosted { person, points } => {
                let Some((index, _)) = self.place(person) else {
                    return Err("a boost for nobody".to_owned());
                };
                self.list[index].score += i64::from(points);
                self.counted(Effect::Boosted(person, points));
            }
            waitlist::Event::Credited { ref people } => {
                people.iter().try_for_each(|&(person, total, _)| self.credit(person, total))?;
            }
            waitlist::Event::Left { person, was } => {
                if self.move_to(person, None) != Some(was) {
                    return Err("somebody left who was not there, or not so".to_owned());
                }
                self.left.insert(seq, (person, at));
                // Whoever left while a redemption was under way is taken out again.
                if !head.caused {
                    self.counted(Effect::Left(person));
                }
            }
            waitlist::Event::Forgotten { person } => {
                if self.place(person).is_some() {
                    return Err("somebody on the list is forgotten without leaving it".to_owned());
                }
                self.left.insert(seq, (person, at));
                self.counted(Effect::Left(person));
            }
            waitlist::Event::Invited { person } => {
                if self.move_to(person, Some(EntryState::Invited)) != Some(EntryState::Waiting) {
                    return Err("somebody is invited who does not wait".to_owned());
                }
            }
            waitlist::Event::Waved { ref batch, ref people, .. } => {
                self.counted(Effect::Waved(batch.clone()));
                self.waves.entry(batch.clone()).or_default()[0].clone_from(people);
                for &person in people {
                    let was = self.move_to(person, Some(EntryState::Invited));
                    if was != Some(EntryState::Waiting) {
                        return Err("somebody is invited who does not wait".to_owned());
                    }
                }
            }
            waitlist::Event::Admitted { person } => self.admit(person)?,
        }
        Ok(())
    }

    fn admit(&mut self, person: PersonId) -> Result<(), String> {
        match self.move_to(person, Some(EntryState::Member)) {
            Some(EntryState::Member) => return Err("somebody comes in twice".to_owned()),
            Some(EntryState::Waiting | EntryState::Invited) => {}
            None => {
                let state = Some(EntryState::Member);
                self.list.push(Place { person, score: 0, credited: 0, state });
            }
        }
        Ok(())
    }

    /// What is known of a code.
    pub(super) fn code(&mut self, code: InviteCode) -> Option<&mut CodeFacts> {
        self.codes.iter_mut().find(|facts| facts.code == code)
    }

    fn on_invites(&mut self, event: &invites::Event, at: Timestamp) -> Result<(), String> {
        match event {
            invites::Event::Issued {
                batch,
                codes,
                bound,
                holder,
                expires_at,
                max_uses,
                channel,
                ..
            } => {
                for &code in codes {
                    self.issue(code, *max_uses, (*bound, *holder), *expires_at)?;
                }
                if *channel == invites::Channel::Batch {
                    self.issued.insert(batch.clone(), codes.clone());
                    self.counted(Effect::Issued(batch.clone()));
                }
            }
            invites::Event::Sent { batch, codes, expires_at } => {
                let sent = codes.iter().map(|(_, person)| *person).collect();
                self.waves.entry(batch.clone()).or_default()[1] = sent;
                for &(code, person) in codes {
                    self.issue(code, 1, (Some(person), None), *expires_at)?;
                }
            }
            &invites::Event::Redeemed { code, person, .. } => self.redeem(code, person, at)?,
            &invites::Event::Bound { code, person } => {
                let free = self.code(code).filter(|facts| {
                    facts.holder.is_some() && facts.bound.is_none() && facts.used_by.is_empty()
                });
                free.ok_or("a code is given away that is not free")?.bound = Some(person);
            }
            invites::Event::Departed { person } => {
                self.members.remove(person).ok_or("somebody departs who is not in")?;
            }
            &invites::Event::Extended { code, expires_at } => {
                let facts = self.code(code);
                facts.ok_or("a code gets more time that was never issued")?.expires_at = expires_at;
            }
            &invites::Event::Reserved { reservation, code, person, .. } => {
                self.code(code).ok_or("a code is kept that was never issued")?;
                self.holds.push((reservation, code, person));
                self.counted(Effect::Reserved(code, person));
            }
            invites::Event::Revoked { code } => {
                self.code(*code).ok_or("a code is taken back that was never issued")?;
            }
            invites::Event::Restored { code, .. } => {
                let facts = self.code(*code).ok_or("a code is restored that was never issued")?;
                if std::mem::take(&mut facts.withdrawn) {
                    let holder = facts.holder.ok_or("a code was nobody's reward")?;
                    *self.returns[1].entry(holder).or_default() -= 1;
                }
            }
            invites::Event::Withdrawn { codes, .. } => {
                codes.iter().try_for_each(|code| self.withdraw(*code))?;
            }
            invites::Event::Released { .. } => {}
        }
        Ok(())
    }

    fn issue(
        &mut self,
        code: InviteCode,
        max_uses: u32,
        (bound, holder): (Option<PersonId>, Option<PersonId>),
        expires_at: Timestamp,
    ) -> Result<(), String> {
        if self.code(code).is_some() {
            return Err("a code is issued twice".to_owned());
        }
        let used_by = Vec::new();
        let withdrawn = false;
        let facts = CodeFacts { code, max_uses, used_by, bound, holder, expires_at, withdrawn };
        self.codes.push(facts);
        Ok(())
    }

    fn withdraw(&mut self, code: InviteCode) -> Result<(), String> {
        let facts = self.code(code).ok_or("a code is withdrawn that is none")?;
        if facts.bound.is_some() || !facts.used_by.is_empty() || facts.withdrawn {
            return Err("a code is withdrawn that somebody has".to_owned());
        }
        facts.withdrawn = true;
        let holder = facts.holder.ok_or("a code was nobody's reward")?;
        *self.returns[1].entry(holder).or_default() += 1;
        Ok(())
    }

    fn redeem(&mut self, code: InviteCode, person: PersonId, at: Timestamp) -> Result<(), String> {
        let Some(facts) = self.code(code) else {
            return Err("a code is redeemed that was never issued".to_owned());
        };
        facts.used_by.push(person);
        if facts.used_by.len() > facts.max_uses as usize {
            return Err("a code is redeemed more often than it has uses".to_owned());
        }
        if at >= facts.expires_at || facts.bound.is_some_and(|bound| bound != person) {
            return Err("a code is redeemed late, or by the wrong person".to_owned());
        }
        if self.members.insert(person, (code, at)).is_some() {
            return Err("a member comes in again".to_owned());
        }
        self.counted(Effect::Redeemed(code, person));
        Ok(())
    }

    fn on_referrals(&mut self, event: &referrals::Event) -> Result<(), String> {
        match event {
            &referrals::Event::Referred { inviter, recipient, .. } => {
                if self.inviters.insert(recipient, inviter).is_some() {
                    return Err("somebody has two inviters".to_owned());
                }
                let mut above = inviter;
                for _ in 0..=self.inviters.len() {
                    match self.inviters.get(&above) {
                        Some(next) => above = *next,
                        None => {
                            self.counted(Effect::Referred(inviter, recipient));
                            return Ok(());
                        }
                    }
                }
                Err("people have brought each other in a circle".to_owned())
            }
            referrals::Event::Rewarded { person, rewards, .. } => {
                let rules = rewards.iter().map(|reward| (*person, reward.rule.clone()));
                let rules: HashSet<_> = rules.collect();
                if !self.rules.is_disjoint(&rules) {
                    return Err("a reward is granted twice".to_owned());
                }
                self.grant_again(*person, rewards)?;
                self.rules_ever.extend(rules.iter().cloned());
                self.rules.extend(rules);
                self.counted(Effect::Rewarded(*person));
                Ok(())
            }
            referrals::Event::Reviewed { person, accepted, withdrawn, .. } => {
                self.counted(Effect::Reviewed(*person, *accepted));
                if *accepted {
                    self.rejected.remove(person);
                } else {
                    self.rejected.insert(*person);
                }
                for withdrawn in withdrawn {
                    for reward in &withdrawn.rewards {
                        if !self.rules.remove(&(withdrawn.person, reward.rule.clone())) {
                            return Err("a reward is taken back that nobody has".to_owned());
                        }
                    }
                }
                Ok(())
            }
            referrals::Event::Reclaimed { people } => {
                for (person, codes) in people {
                    *self.reclaimed.entry(*person).or_default() += codes;
                    *self.returns[0].entry(*person).or_default() += codes;
                }
                Ok(())
            }
            referrals::Event::Progressed { .. }
            | referrals::Event::Held { .. }
            | referrals::Event::GateSeen { .. } => Ok(()),
        }
    }

    /// What was taken back is granted again as far as it is out of the world.
    fn grant_again(
        &mut self,
        person: PersonId,
        rewards: &[referrals::Reward],
    ) -> Result<(), String> {
        if self.rejected.contains(&person) {
            return Err("a false account is rewarded".to_owned());
        }
        let again = rewards.iter().filter(|reward| {
            reward.kind == referrals::RewardKind::InviteCodes
                && self.rules_ever.contains(&(person, reward.rule.clone()))
        });
        let codes: i64 = again.map(|reward| i64::from(reward.amount)).sum();
        let reclaimed = self.reclaimed.entry(person).or_default();
        *reclaimed -= codes;
        if codes > 0 && *reclaimed < 0 {
            return Err("codes are granted again that are in the world".to_owned());
        }
        Ok(())
    }

    /// Whether somebody counts as false: the product says so, or an operator.
    pub(super) fn is_false(&self, person: PersonId) -> bool {
        self.flagged.contains(&person) || self.rejected.contains(&person)
    }

    /// What people typed: a profile replaces all, an address only nothing.
    fn write_down(&mut self, sections: &[Section], event: &Event) {
        for section in sections {
            let person = PersonId::from_owner(section.owner);
            match section.text.first() {
                Some(1) => drop(self.book.insert(person, section.text.clone())),
                Some(2) => {
                    self.book.entry(person).or_insert_with(|| section.text.clone());
                }
                _ => {}
            }
        }
        if let Event::Waitlist(event) = event
            && let Some(person) = event.forgets()
        {
            self.book.remove(&person);
        }
    }

    /// How many records a stream has written, for a run's summary.
    pub(super) fn of_stream(&self, stream: Stream) -> usize {
        self.records.iter().filter(|kept| kept.body.first() == Some(&(stream as u8))).count()
    }
}
