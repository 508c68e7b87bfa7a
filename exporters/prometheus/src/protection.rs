//! How an endpoint is protected, as an operator says it: by variables.

use meterkit_pipeline::VariableError;

use crate::credentials::{Credentials, password_problem, token_problem, username_problem};
use crate::tls::{self, Encryption, ServerTls};

const USERNAME: &str = "METERKIT_PROMETHEUS_USERNAME";
const PASSWORD: &str = "METERKIT_PROMETHEUS_PASSWORD";
const BEARER_TOKEN: &str = "METERKIT_PROMETHEUS_BEARER_TOKEN";
const CERTIFICATE: &str = "METERKIT_PROMETHEUS_TLS_CERTIFICATE";
const KEY: &str = "METERKIT_PROMETHEUS_TLS_KEY";
const CLIENT_CA: &str = "METERKIT_PROMETHEUS_TLS_CLIENT_CA";

/// Whom an endpoint serves, and by which certificate it is known. By default everybody, and none.
///
/// For [`PrometheusServer::protection`](crate::PrometheusServer::protection).
#[derive(Clone, Debug, Default)]
pub struct Protection {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<ServerTls>,
}

impl Protection {
    /// What the variables say that are named `METERKIT_PROMETHEUS_`: `USERNAME` and `PASSWORD`, or `BEARER_TOKEN`;
    /// `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_CLIENT_CA` (paths of PEM files, which are read now).
    ///
    /// # Errors
    ///
    /// All problems at once: half of a name and password, or of a certificate and key; both kinds of credentials;
    /// values that nobody could show; files that cannot be read or used; TLS that is not compiled in.
    pub fn from_variables(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        let mut variables = Variables { lookup: &lookup, problems: Vec::new() };
        let protection = Self { credentials: variables.credentials(), tls: variables.tls() };
        if variables.problems.is_empty() { Ok(protection) } else { Err(variables.problems) }
    }
}

/// Variables that are set, and what is wrong with them so far.
struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<VariableError>,
}

impl Variables<'_> {
    fn credentials(&mut self) -> Option<Credentials> {
        let by_name = self.first_set(&[USERNAME, PASSWORD]);
        let token = self.raw(BEARER_TOKEN).map(|token| token.trim().to_owned());
        if let (Some(variable), Some(_)) = (by_name, &token) {
            let remedy = "keep the one that scrapers are to show";
            self.problems.push(VariableError::conflict(variable, BEARER_TOKEN, remedy));
            return None;
        }
        if let Some(token) = token {
            if let Some(reason) = token_problem(&token) {
                self.problems.push(VariableError::secret(BEARER_TOKEN, reason));
            }
            return Some(Credentials::Bearer { token });
        }
        by_name?;
        self.needs(USERNAME, PASSWORD, "write the name that the password is for");
        self.needs(PASSWORD, USERNAME, "write the password that goes with it");
        let username = self.raw(USERNAME).map(|name| name.trim().to_owned());
        // Blanks can be part of it; the line end comes with a file.
        let password = self.raw(PASSWORD).map(|it| it.trim_end_matches(['\r', '\n']).to_owned());
        if let (Some(name), Some(reason)) =
            (&username, username.as_deref().and_then(username_problem))
        {
            self.problems.push(VariableError::new(USERNAME, name, reason));
        }
        if let Some(reason) = password.as_deref().and_then(password_problem) {
            self.problems.push(VariableError::secret(PASSWORD, reason));
        }
        Some(Credentials::Basic { username: username?, password: password? })
    }

    fn tls(&mut self) -> Option<ServerTls> {
        let present = self.first_set(&[CERTIFICATE, KEY, CLIENT_CA])?;
        if let Some(reason) = tls::missing() {
            let path = self.path(present).unwrap_or_default();
            self.problems.push(VariableError::new(present, path, reason));
            return None;
        }
        self.needs(CERTIFICATE, present, "name the PEM file with the certificate of the endpoint");
        self.needs(KEY, present, "name the PEM file with the private key of the endpoint");
        let certificate = self.file(CERTIFICATE, tls::check_certificate);
        let key = self.file(KEY, tls::check_key);
        let authorities = self.file(CLIENT_CA, tls::check_client_authorities);
        let is_complete = self.path(CLIENT_CA).is_none() || authorities.is_some();
        let tls = ServerTls::new(certificate?, key?);
        let tls = authorities.into_iter().fold(tls, ServerTls::client_authorities);
        match Encryption::new(&tls) {
            Err(error) if is_complete => {
                let path = self.path(KEY).unwrap_or_default();
                self.problems.push(VariableError::new(KEY, path, error.to_string()));
                None
            }
            _ => Some(tls),
        }
    }

    /// The content of the file that the variable names, if it is what it should be.
    fn file<E: ToString>(
        &mut self,
        variable: &'static str,
        check: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Option<Vec<u8>> {
        let path = self.path(variable)?;
        let remedy = "name a PEM file that this process may read";
        let read = std::fs::read(&path)
            .map_err(|error| format!("cannot be read ({error}); {remedy}"))
            .and_then(|pem| check(&pem).map(|()| pem).map_err(|error| error.to_string()));
        read.map_err(|reason| self.problems.push(VariableError::new(variable, path, reason))).ok()
    }

    fn needs(&mut self, variable: &'static str, present: &'static str, remedy: &str) {
        if self.raw(variable).is_none() {
            self.problems.push(VariableError::missing(variable, present, remedy));
        }
    }

    fn path(&self, name: &str) -> Option<String> {
        self.raw(name).map(|path| path.trim().to_owned())
    }

    fn first_set(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.raw(name).is_some())
    }

    /// Empty is unset.
    fn raw(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }
}

#[cfg(test)]
mod tests;
