//! Domains of providers whose addresses are made to be thrown away.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::ids::Email;

/// A list of domains that can be replaced while everybody reads it. Cheap to clone; clones share
/// the list.
#[derive(Clone, Default)]
pub struct DisposableDomains(Arc<RwLock<HashSet<Box<str>>>>);

impl fmt::Debug for DisposableDomains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisposableDomains({})", self.len())
    }
}

impl DisposableDomains {
    /// The domains in `text`, one a line; empty lines and what follows a `#` mean nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let domains = Self::default();
        domains.replace(text);
        domains
    }

    /// Takes the domains in `text` in the place of those that were there; how many there are now.
    pub fn replace(&self, text: &str) -> usize {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let domains = lines.filter(|line| !line.is_empty());
        let domains: HashSet<Box<str>> =
            domains.map(|domain| domain.to_ascii_lowercase().into()).collect();
        let count = domains.len();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = domains;
        count
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an address is of such a domain, or of one below it.
    pub(crate) fn has(&self, email: &Email) -> bool {
        let Some((_, domain)) = email.as_str().rsplit_once('@') else { return false };
        let domains = self.0.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::successors(Some(domain), |below| below.split_once('.').map(|(_, above)| above))
            .any(|domain| domains.contains(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).expect("a good address")
    }

    #[test]
    fn a_domain_below_one_of_the_list_is_meant_too() {
        let domains = DisposableDomains::parse("# a list\nTrash.example # one\n\nbin.test\n");
        assert_eq!(domains.len(), 2);
        assert!(domains.has(&email("a@trash.example")));
        assert!(domains.has(&email("a@TRASH.example")));
        assert!(domains.has(&email("a@x.y.bin.test")));
        assert!(!domains.has(&email("a@nottrash.example")));
        assert!(!domains.has(&email("trash.example@example.com")));
    }

    #[test]
    fn a_new_list_takes_the_place_of_the_old_one_for_every_clone() {
        let domains = DisposableDomains::parse("bin.test");
        let clone = domains.clone();
        assert_eq!(domains.replace("other.test"), 1);
        assert!(clone.has(&email("a@other.test")) && !clone.has(&email("a@bin.test")));
    }
}
