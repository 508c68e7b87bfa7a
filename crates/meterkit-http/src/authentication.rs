//! Credentials of one target: a user name and password, or a token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meterkit_settings::{Reader, Setting};

use crate::secret::Secret;

/// The credentials that a target sends to its receiver. `Debug` shows no secrets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Authentication {
    /// No credentials.
    None,
    /// Basic authentication with user name and password. In Grafana Cloud, these are the id of the metrics instance and
    /// a token.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer {
        /// The token.
        token: Secret,
    },
}

impl Authentication {
    /// Returns the value of the header `Authorization`, or `None` without credentials.
    ///
    /// ```
    /// use meterkit_http::{Authentication, Secret};
    ///
    /// let password = Secret::new("open sesame");
    /// let basic = Authentication::Basic { username: "Aladdin".to_owned(), password };
    /// let header = basic.authorization();
    /// assert_eq!(header.as_ref().map(Secret::expose), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    /// ```
    pub fn authorization(&self) -> Option<Secret> {
        match self {
            Self::None => None,
            Self::Basic { username, password } => Some(Secret::basic(username, password)),
            Self::Bearer { token } => Some(token.map(|token| format!("Bearer {token}"))),
        }
    }

    /// Returns the user name, if there is one.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Basic { username, .. } => Some(username),
            Self::None | Self::Bearer { .. } => None,
        }
    }
}

impl Secret {
    /// Returns the value of the header `Authorization` for Basic authentication.
    #[must_use]
    pub fn basic(username: &str, password: &Self) -> Self {
        let username = username.to_owned();
        password.map(move |password| {
            format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
        })
    }
}

/// The settings for the credentials of one target.
#[derive(Debug)]
pub struct AuthenticationSettings {
    /// The user name.
    pub username: Setting<String>,
    /// The password.
    pub password: Setting<String>,
    /// The bearer token, instead of user name and password.
    pub bearer_token: Setting<String>,
}

impl AuthenticationSettings {
    /// Reads the credentials. Reports a problem to `reader` if only one of user name and password is set, or if both
    /// kinds of credentials are set.
    pub fn read(&self, reader: &Reader<'_>) -> Authentication {
        let Self { username, password, bearer_token } = self;
        let by_name = reader.first_set(&[username, password]);
        if let (Some(setting), true) = (by_name, reader.is_set(bearer_token)) {
            let remedy = "keep the one that the receiver asks for";
            reader.conflict(setting, bearer_token, remedy);
            return Authentication::None;
        }
        reader.needs(username, password, "write the name that the password is for");
        let remedy = "write the password, or set only the bearer token";
        reader.needs(password, username, remedy);
        let username = reader.get(username);
        let password = Secret::read(reader, password);
        let token = Secret::read(reader, bearer_token);
        match (username, password, token) {
            (Some(username), Some(password), _) => Authentication::Basic { username, password },
            (_, _, Some(token)) => Authentication::Bearer { token },
            _ => Authentication::None,
        }
    }
}
