//! What the callers ask, and the bytes of each request.
//!
//! Every request of a scenario is one of a few templates in which a person's number and perhaps a
//! code are overwritten in place, so that writing one costs a copy. Numbers and codes have a fixed
//! width for that reason.

use std::ops::Range;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// New people join a list that was empty when the window's server started.
    JoinEmpty,
    /// New people join behind, among and before those of the long list.
    JoinFull,
    /// The state of codes that exist, in no order.
    Status,
    /// The standing of people of the long list, in no order.
    Position,
    /// People of the long list use up codes, one each.
    Redeem,
}

impl Scenario {
    /// In the order in which they run: redeeming last, because it takes people off the list.
    pub(crate) const ALL: [Scenario; 5] = [
        Scenario::JoinEmpty,
        Scenario::JoinFull,
        Scenario::Status,
        Scenario::Position,
        Scenario::Redeem,
    ];

    /// The name that the command line uses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scenario::JoinEmpty => "join-empty",
            Scenario::JoinFull => "join-full",
            Scenario::Status => "status",
            Scenario::Position => "position",
            Scenario::Redeem => "redeem",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Scenario, String> {
        Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| format!("there is no scenario {name:?}"))
    }

    /// The only status that an answer may have; any other ends the bench.
    pub(crate) fn status(self) -> u16 {
        match self {
            Scenario::JoinEmpty | Scenario::JoinFull => 201,
            Scenario::Status | Scenario::Position | Scenario::Redeem => 200,
        }
    }

    fn templates(self) -> Vec<Template> {
        match self {
            Scenario::JoinEmpty | Scenario::JoinFull => joins(),
            Scenario::Status => vec![Template::get(&format!("/api/invites/{CODE}/status"))],
            Scenario::Position => {
                vec![Template::get(&format!("/api/waitlist/person-{NUMBER}%40example.com"))]
            }
            Scenario::Redeem => vec![Template::post(
                "/api/invites/redeem",
                &format!("{{\"code\":\"{CODE}\",\"email\":\"person-{NUMBER}@example.com\"}}"),
            )],
        }
    }
}

/// Stands where a person's number goes; a number is as wide.
const NUMBER: &str = "##########";
/// Stands where a code goes; a code is as wide.
pub(crate) const CODE: &str = "VOBEE-@@@@@@@@@@@@";

const PERSONAS: [&str; 5] =
    ["solo_founder", "small_team", "agency", "content_creator", "something else"];

/// One in ten writes at length, and nearly half of the others hit a keyword of the scoring, so that
/// people land everywhere in the queue and not only at its end.
const USE_CASES: [&str; 10] = [
    "Marketing automation for my startup",
    "Keeping track of orders and stock",
    "Planning content for two newsletters",
    "Support desk of a small web shop",
    "Saving time on weekly client reports",
    "Bookings of a language school",
    "Automation of a podcast's publishing",
    "A directory of local craftspeople",
    "Onboarding for the people we hire",
    "We run eleven shops and want one place where managers can see what was sold, what has to be \
     ordered again, and who is on duty in the coming week",
];

fn joins() -> Vec<Template> {
    let mut templates = Vec::new();
    for persona in PERSONAS {
        for use_case in USE_CASES {
            let body = format!(
                "{{\"email\":\"person-{NUMBER}@example.com\",\"use_case\":\"{use_case}\",\
                 \"persona\":\"{persona}\"}}"
            );
            templates.push(Template::post("/api/waitlist/join", &body));
        }
    }
    templates
}

/// The mean number of bytes that a person types when joining: address, use case and persona. The
/// memory that a person takes is to be read against it.
pub(crate) fn typed_bytes_mean() -> f64 {
    let mean = |texts: &[&str]| {
        texts.iter().map(|text| text.len()).sum::<usize>() as f64 / texts.len() as f64
    };
    let address = "person-@example.com".len() + NUMBER.len();
    address as f64 + mean(&USE_CASES) + mean(&PERSONAS)
}

/// The bytes of a request, and where the number and the code stand in them.
struct Template {
    bytes: Vec<u8>,
    number: Option<Range<usize>>,
    code: Option<Range<usize>>,
}

impl Template {
    fn get(path: &str) -> Template {
        Template::new(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
    }

    fn post(path: &str, body: &str) -> Template {
        Template::new(format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn new(text: String) -> Template {
        let place = |mark: &str| text.find(mark).map(|start| start..start + mark.len());
        Template { number: place(NUMBER), code: place(CODE), bytes: text.into_bytes() }
    }
}

/// Codes of one width, one after the other.
#[derive(Default)]
pub(crate) struct Codes {
    bytes: Vec<u8>,
}

impl Codes {
    /// Adds a code; one of another width than the templates leave room for is an error.
    pub(crate) fn push(&mut self, code: &str) -> Result<(), String> {
        if code.len() != CODE.len() {
            return Err(format!("the code {code:?} is not as long as {CODE:?}"));
        }
        self.bytes.extend_from_slice(code.as_bytes());
        Ok(())
    }

    pub(crate) fn len(&self) -> u64 {
        (self.bytes.len() / CODE.len()) as u64
    }

    fn get(&self, index: u64) -> &[u8] {
        let start = index as usize * CODE.len();
        &self.bytes[start..start + CODE.len()]
    }
}

/// Which person or code the next request is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// Each number once, upwards from the first, and no more than `count` of them.
    Once {
        /// The first number.
        first: u64,
        /// How many there are.
        count: u64,
    },
    /// Any number below the bound, over and over.
    Any {
        /// The bound.
        below: u64,
    },
}

/// Writes one request after the other.
pub(crate) struct Requests<'a> {
    templates: Vec<Template>,
    choice: Choice,
    codes: &'a Codes,
    code_first: u64,
    written: u64,
}

impl<'a> Requests<'a> {
    /// Requests of a scenario. Those about codes take `codes` in turn from `code_first` on, and end
    /// with them, unless the choice is `Any`.
    pub(crate) fn new(
        scenario: Scenario,
        choice: Choice,
        codes: &'a Codes,
        code_first: u64,
    ) -> Requests<'a> {
        Requests { templates: scenario.templates(), choice, codes, code_first, written: 0 }
    }

    /// How many requests were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Replaces `into` by the next request; false when there is none left.
    pub(crate) fn write(&mut self, into: &mut Vec<u8>) -> bool {
        let random = scatter(self.written);
        let (number, code) = match self.choice {
            Choice::Once { count, .. } if self.written >= count => return false,
            Choice::Once { first, .. } => (first + self.written, self.code_first + self.written),
            Choice::Any { below } => (random % below, random % self.codes.len().max(1)),
        };
        let template = &self.templates[(random >> 32) as usize % self.templates.len()];
        into.clear();
        into.extend_from_slice(&template.bytes);
        if let Some(place) = &template.number {
            write_digits(number, &mut into[place.clone()]);
        }
        if let Some(place) = &template.code {
            if code >= self.codes.len() {
                return false;
            }
            into[place.clone()].copy_from_slice(self.codes.get(code));
        }
        self.written += 1;
        true
    }
}

fn write_digits(mut number: u64, into: &mut [u8]) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The finaliser of SplitMix64: the same sequence in every run, and no pattern in it.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
