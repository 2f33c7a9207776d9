//! Where PostgreSQL is, and how safe the way there has to be.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};

use crate::config::Postgres;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes that were sent and are not acknowledged for so long end the connection.
const UNANSWERED_MAX: Duration = Duration::from_secs(20);

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The file that has it.
    #[error("cannot read postgres.url_file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is in it. The text of the address is in no message: it has a password.
    #[error("{from} is no address such as postgresql://user:password@host:5432/database ({why})")]
    Malformed {
        /// Where it stands.
        from: String,
        /// What is wrong.
        why: String,
    },
}

/// How much TLS is asked for, as libpq has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// TLS hides what is sent, from those who only listen.
    Nobody,
    /// The certificate has to be one for the host, from somebody who is trusted.
    Host,
}

/// A database. Shown without its password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: tokio_postgres::Config,
    pub(super) verify: Verify,
    pub(super) ca_file: Option<PathBuf>,
}

impl Address {
    /// The one that the configuration names, or else the environment's `DATABASE_URL`; None when
    /// neither does.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn configured(
        config: &Postgres,
        environment: Option<&str>,
    ) -> Result<Option<Self>, AddressError> {
        let (url, from) = if let Some(path) = config.url_file() {
            let url = std::fs::read_to_string(path)
                .map_err(|source| AddressError::File { path: path.to_owned(), source })?;
            (url, format!("what is in postgres.url_file {}", path.display()))
        } else if let Some(url) = environment.filter(|url| !url.trim().is_empty()) {
            (url.to_owned(), "DATABASE_URL".to_owned())
        } else {
            return Ok(None);
        };
        Self::parse(&url, &from, config.ca_file()).map(Some)
    }

    /// Reads an address; `from` says in errors where it stands.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn parse(url: &str, from: &str, ca_file: Option<&Path>) -> Result<Self, AddressError> {
        let malformed = |why: &str| {
            let (from, why) = (from.to_owned(), why.to_owned());
            AddressError::Malformed { from, why }
        };
        let url = url.trim();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(malformed("it does not begin with postgresql://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut kept, mut mode, mut root) = (Vec::new(), None, ca_file.map(Path::to_owned));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                    root = Some(PathBuf::from(path.into_owned()));
                }
                _ => kept.push(pair),
            }
        }
        let url =
            if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let mut config =
            tokio_postgres::Config::from_str(&url).map_err(|_| malformed("it cannot be read"))?;
        let (ssl, verify) = match mode {
            None if root.is_some() => (SslMode::Require, Verify::Host),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Verify::Nobody),
            Some("disable") => (SslMode::Disable, Verify::Nobody),
            Some("require") if root.is_some() => (SslMode::Require, Verify::Host),
            Some("require") => (SslMode::Require, Verify::Nobody),
            Some("verify-ca" | "verify-full") => (SslMode::Require, Verify::Host),
            Some(_) => return Err(malformed("sslmode is none of libpq's")),
        };
        config.ssl_mode(ssl).connect_timeout(CONNECT_MAX);
        // A host that has gone away is noticed while it is waited for, too.
        config.tcp_user_timeout(UNANSWERED_MAX).keepalives_idle(UNANSWERED_MAX);
        if config.get_application_name().is_none() {
            config.application_name("vobee");
        }
        if config.get_hosts().is_empty() {
            return Err(malformed("it names no host"));
        }
        Ok(Self { config, verify, ca_file: root })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let comma = if index > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                Host::Unix(path) => write!(f, "{comma}{}:{port}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().or(self.config.get_user()).unwrap_or("?"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        Address::parse(url, "a test", None).expect("a good address")
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address = parsed("postgresql://ada:secret@db.example:6000/launch?sslmode=disable");
        assert_eq!(address.to_string(), "db.example:6000/launch");
        assert_eq!(format!("{address:?}"), "Address(db.example:6000/launch)");
    }

    #[test]
    fn the_modes_of_libpq_say_how_much_tls_there_has_to_be() {
        let mode = |query: &str| {
            let address = parsed(&format!("postgres://a@h/d{query}"));
            (address.config.get_ssl_mode(), address.verify)
        };
        assert_eq!(mode(""), (SslMode::Prefer, Verify::Nobody));
        assert_eq!(mode("?sslmode=disable"), (SslMode::Disable, Verify::Nobody));
        assert_eq!(mode("?sslmode=require"), (SslMode::Require, Verify::Nobody));
        assert_eq!(mode("?sslmode=verify-full"), (SslMode::Require, Verify::Host));
        assert_eq!(mode("?sslrootcert=%2Fca.pem"), (SslMode::Require, Verify::Host));
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_it() {
        for url in ["", "mysql://a:secret@h/d", "postgres://a:secret@h/d?sslmode=yes"] {
            let refused = Address::parse(url, "a test", None).expect_err("no address");
            assert!(!format!("{refused} {refused:?}").contains("secret"), "{url}");
        }
    }
}
