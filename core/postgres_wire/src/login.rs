//! The start of a session: TLS, the parameters of the client, the password.

use std::sync::Arc;

use core_explorer::AccessToken;

use crate::backend;
use crate::connection::{Connection, End};
use crate::error::{WireError, state};
use crate::frontend::{First, Message};
use crate::request::Hello;
use crate::server::{Wire, names};
use crate::session::Session;
use crate::settings::Settings;

/// The name that clients have for the database that is always there: the first tenant here.
const DEFAULT_DATABASE: &str = "postgres";

/// Logs a client in. None if the connection is over.
pub(crate) async fn login(wire: &Arc<Wire>, connection: Connection) -> Option<Session> {
    let mut connection = connection;
    let mut is_encrypted = false;
    loop {
        let first = match connection.first().await {
            Ok(first) => first,
            Err(end) => {
                connection.end(end).await;
                return None;
            }
        };
        match first {
            First::Cancel { process, secret } => {
                wire.cancel(process, secret);
                return None;
            }
            First::Gss => {
                connection.out.extend_from_slice(b"N");
                connection.flush().await.ok()?;
            }
            First::Tls => match &wire.settings.tls {
                Some(tls) if !is_encrypted => {
                    connection.out.extend_from_slice(b"S");
                    connection.flush().await.ok()?;
                    let stream = connection.into_stream().ok()?;
                    let accepted = tls.accept(stream).await;
                    let accepted = accepted.map_err(|error| {
                        tracing::debug!(%error, "a connection was not made over TLS");
                    });
                    connection = Connection::new(Box::new(accepted.ok()?));
                    is_encrypted = true;
                }
                _ => {
                    connection.out.extend_from_slice(b"N");
                    connection.flush().await.ok()?;
                }
            },
            First::Startup { parameters, is_newer } => {
                let starting = Starting { wire, is_encrypted, parameters, is_newer };
                return match starting.start(&mut connection).await {
                    Ok((token, hello, settings)) => {
                        open(wire, connection, token, hello, settings).await
                    }
                    Err(end) => {
                        connection.end(end).await;
                        None
                    }
                };
            }
        }
    }
}

/// A session that a client wants to begin.
struct Starting<'a> {
    wire: &'a Arc<Wire>,
    is_encrypted: bool,
    parameters: Vec<(String, String)>,
    is_newer: bool,
}

impl Starting<'_> {
    /// Checks the password and the parameters.
    async fn start(
        self,
        connection: &mut Connection,
    ) -> Result<(AccessToken, Hello, Settings), End> {
        let fatal = |code, message: String| End::Fatal(WireError::new(code, message));
        if self.wire.settings.tls.is_some() && !self.is_encrypted {
            let message =
                "this server answers over TLS only: connect with sslmode=require or verify-full";
            return Err(fatal(state::NO_TLS, message.to_owned()));
        }
        if self.is_newer {
            let options = self.parameters.iter().map(|(name, _)| name.as_str());
            let options: Vec<&str> = options.filter(|name| name.starts_with("_pq_.")).collect();
            backend::negotiate_version(&mut connection.out, &options);
        }
        backend::ask_for_password(&mut connection.out);
        connection.flush().await?;
        let Message::Password(password) = connection.message().await? else {
            return Err(fatal(state::PROTOCOL, "the client has sent no password".to_owned()));
        };
        let token = self.wire.settings.tokens.find(password.trim()).ok_or_else(|| {
            let message = "the password is no token: `serve token new` makes one";
            fatal(state::PASSWORD, message.to_owned())
        })?;
        let databases = names(&self.wire.stores().await.map_err(End::Fatal)?);
        let tenant = self.database(&databases)?;
        let settings = self.settings(&token.name).map_err(End::Fatal)?;
        let (user, role) = (token.name.clone(), token.role);
        Ok((token, Hello { tenant, databases, user, role }, settings))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the tenant that the client names as the database.
    fn database(&self, databases: &[String]) -> Result<String, End> {
        let name =
            self.parameter("database").or_else(|| self.parameter("user")).unwrap_or_default();
        if databases.iter().any(|known| known == name) {
            return Ok(name.to_owned());
        }
        let first = databases.first().filter(|_| name == DEFAULT_DATABASE);
        first.cloned().ok_or_else(|| {
            let known = databases.join(", ");
            let message = format!(
                "there is no database {name}: a database is a tenant, and the tenants are {known}"
            );
            End::Fatal(WireError::new(state::NO_DATABASE, message))
        })
    }

    /// Returns the settings that the client begins with.
    fn settings(&self, user: &str) -> Result<Settings, WireError> {
        let mut settings = Settings::new(user);
        for (name, value) in &self.parameters {
            match name.as_str() {
                "user" | "database" => {}
                "options" => {
                    for (name, value) in options(value)? {
                        settings.set(&name, &value)?;
                    }
                }
                "replication" if matches!(value.as_str(), "false" | "off" | "no" | "0") => {}
                "replication" => {
                    return Err(WireError::new(state::UNSUPPORTED, "there is no replication here"));
                }
                name if name.starts_with("_pq_.") => {}
                name => {
                    settings.set(name, value)?;
                }
            }
        }
        Ok(settings)
    }
}

/// Reads settings of the form `-c name=value`.
fn options(text: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut words = text.split_whitespace();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(setting) => setting,
            None => word,
        };
        let (name, value) = setting.split_once('=').ok_or_else(|| {
            WireError::new(state::INVALID_VALUE, "write options in the form -c name=value")
        })?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

/// Tells the client that it is logged in.
async fn open(
    wire: &Arc<Wire>,
    mut connection: Connection,
    token: AccessToken,
    hello: Hello,
    settings: Settings,
) -> Option<Session> {
    let place = match wire.place(token) {
        Ok(place) => place,
        Err(error) => {
            let error = WireError::internal(&error.into());
            connection.end(End::Fatal(error)).await;
            return None;
        }
    };
    connection.trust();
    let out = &mut connection.out;
    backend::logged_in(out);
    for (name, value) in settings.told() {
        backend::parameter_status(out, name, value);
    }
    backend::key_data(out, place.process, place.secret);
    backend::ready(out, b'I');
    connection.flush().await.ok()?;
    Some(Session::new(Arc::clone(wire), connection, place, hello, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_libpq_are_settings() {
        let read = |text: &str| {
            let settings = options(text)?;
            Ok(settings.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>())
        };
        let both = ["statement_timeout: 5000", "jit: off"].map(str::to_owned).to_vec();
        assert_eq!(read("-c statement_timeout=5000 -cjit=off"), Ok::<_, WireError>(both.clone()));
        assert_eq!(read("--statement_timeout=5000  --jit=off"), Ok(both));
        assert_eq!(read("-c jit").map_err(|error| error.state), Err("22023"));
        assert_eq!(read(""), Ok(Vec::new()));
    }
}
