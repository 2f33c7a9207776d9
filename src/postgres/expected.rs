//! What the three tables should hold, by the state of the node.

use std::collections::HashMap;

use actors::export::{Change, Issue, Joined, Redeemed, Referred};
use actors::people::Profile;
use actors::{InviteCode, PersonId, Timestamp};

/// Between two columns in the text of a row.
pub(super) const COLUMN_END: char = '\u{1f}';
const PERSONA_CHARACTERS_MAX: usize = 50;

/// One of the three tables: keys, each with the text of its row.
pub(super) type Table = HashMap<String, String>;

/// Gathers changes; no table has the place in the queue, which is as old as its row.
#[derive(Default)]
pub(super) struct Expected {
    people: HashMap<PersonId, Profile>,
    joined: Vec<Joined>,
    invited: HashMap<PersonId, Timestamp>,
    codes: Vec<Issue>,
    members: HashMap<PersonId, (InviteCode, Timestamp)>,
    referred: Vec<Referred>,
}

impl Expected {
    pub(super) fn add(&mut self, change: Change) {
        match change {
            Change::Named { person, profile, .. } => {
                self.people.insert(person, profile);
            }
            Change::Joined(joined) => self.joined.push(joined),
            Change::Invited { person, at } => {
                self.invited.insert(person, at);
            }
            Change::Issued(issue) => self.codes.push(issue),
            Change::Redeemed(Redeemed { person, code, at, .. }) => {
                self.members.insert(person, (code, at));
            }
            Change::Referred(referred) => self.referred.push(referred),
            // A state has none of the rest, or no table of the three does.
            Change::Forgotten { .. }
            | Change::Boosted { .. }
            | Change::Bound { .. }
            | Change::Revoked { .. }
            | Change::Extended { .. }
            | Change::Departed { .. }
            | Change::Progressed { .. }
            | Change::Rewarded { .. }
            | Change::Withdrawn { .. }
            | Change::Waved(_)
            | Change::Sampled(_)
            | Change::GateMoved { .. } => {}
        }
    }

    pub(super) fn waitlist(&self) -> Table {
        let rows = self.joined.iter().filter_map(|joined| {
            let profile = self.people.get(&joined.person)?;
            let persona: String = profile.persona.chars().take(PERSONA_CHARACTERS_MAX).collect();
            let invited_at = time(self.invited.get(&joined.person).copied());
            let (score, joined_at) = (joined.score.to_string(), time(Some(joined.at)));
            let [email, use_case, persona] = [&profile.email, &profile.use_case, &persona]
                .map(|text| text.replace('\0', "\u{fffd}"));
            let id = joined.person.to_string();
            Some((id, row([email, use_case, persona, score, joined_at, invited_at])))
        });
        rows.collect()
    }

    pub(super) fn invite_codes(&self, prefix: &str) -> Table {
        let mut users: HashMap<InviteCode, (Timestamp, PersonId)> = HashMap::new();
        for (&person, &(code, at)) in &self.members {
            let newest = users.entry(code).or_insert((at, person));
            *newest = (*newest).max((at, person));
        }
        let rows = self.codes.iter().map(|issue| {
            let used = users.get(&issue.code);
            let status = if issue.uses >= issue.max_uses {
                "used"
            } else if issue.revoked {
                "revoked"
            } else {
                "open"
            };
            let text = row([
                issue.bound.or(issue.holder).map_or_else(String::new, |person| self.email(person)),
                issue.batch.to_string(),
                time(Some(issue.created_at)),
                time(Some(issue.expires_at)),
                used.map_or_else(String::new, |&(_, person)| self.email(person)),
                time(used.map(|used| used.0)),
                status.to_owned(),
            ]);
            (issue.code.print(prefix), text)
        });
        rows.collect()
    }

    pub(super) fn referrals(&self, prefix: &str) -> Table {
        let mut given: HashMap<(PersonId, PersonId), &Issue> = HashMap::new();
        let mut holders: HashMap<InviteCode, PersonId> = HashMap::new();
        for issue in &self.codes {
            let Some(holder) = issue.holder else { continue };
            holders.insert(issue.code, holder);
            let Some(bound) = issue.bound else { continue };
            let newest = given.entry((holder, bound)).or_insert(issue);
            let newer = (issue.created_at, newest.code) > (newest.created_at, issue.code);
            if newer {
                *newest = issue;
            }
        }
        let address = |person: PersonId| match self.email(person) {
            email if email.is_empty() => format!("erased:{person}"),
            email => email,
        };
        let rows = self.referred.iter().map(|referred| {
            let Referred { id, inviter, recipient, at, .. } = *referred;
            let came = self.members.get(&recipient).map(|came| came.0);
            let came = came.filter(|code| holders.get(code) == Some(&inviter));
            let code = given.get(&(inviter, recipient)).map(|issue| issue.code).or(came);
            let code = code.map_or_else(String::new, |code| code.print(prefix));
            let text = row([address(inviter), address(recipient), code, time(Some(at))]);
            (id.to_string(), text)
        });
        rows.collect()
    }

    fn email(&self, person: PersonId) -> String {
        self.people.get(&person).map(|profile| profile.email.clone()).unwrap_or_default()
    }
}

fn row<const N: usize>(columns: [String; N]) -> String {
    columns.join(&COLUMN_END.to_string())
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.micros().to_string())
}
