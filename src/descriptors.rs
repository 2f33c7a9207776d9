//! How many files and connections the operating system lets this process have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For all that is open beside connections: the journal, snapshots, the archive, a backup.
const OTHERS: u64 = 256;

/// Takes as many as the system allows, which is more than most processes are started with, and
/// warns where that is less than so many connections need.
pub(crate) fn raise(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let most = getrlimit(Resource::Nofile).current;
    if let Some(most) = most.filter(|most| *most < u64::from(connections) + OTHERS) {
        tracing::warn!(
            most,
            connections,
            "the system allows fewer open files than limits.connections needs; raise that limit \
             (ulimit -Hn), or lower limits.connections"
        );
    }
}
