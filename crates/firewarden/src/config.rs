//! The configuration of `serve` and `migrate`: one struct for each concern, read from flag, then environment, then file.
//!
//! Invariant: a secret is never a flag's value, because every user of a machine can read the flags of its processes; and
//! what is printed shows no secret.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a setting is called, what it is if nobody sets it, and what it does.
#[derive(Debug)]
pub struct Setting {
    /// Its key in `firewarden.toml`; the flag has hyphens, the variable is `FIREWARDEN_` and capitals.
    pub key: &'static str,
    /// Its default, as text; empty for none.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Every setting. `--print-config` prints this table with the values in force.
pub const SETTINGS: &[Setting] = &[
    Setting { key: "data_dir", default: "./data", help: "where the database, the sealing key and unsent mail are" },
    Setting {
        key: "listen",
        default: "127.0.0.1:8080",
        help: "address and port to listen on; port 0 takes a free one",
    },
    Setting { key: "public_url", default: "", help: "base of every link and issuer; http://{listen} if left out" },
    Setting { key: "workers", default: "2", help: "threads that answer requests, 1 to 64" },
    Setting {
        key: "database_url",
        default: "",
        help: "sqlite:PATH or postgres://…; SQLite in the data folder if left out. With a password: not as a flag",
    },
    Setting { key: "database_connections", default: "8", help: "connections to the database, 1 to 256" },
    Setting {
        key: "smtp_url",
        default: "",
        help: "smtps://user:password@host or smtp://host (STARTTLS); files in data/mail if left out. With a password: not as a flag",
    },
    Setting {
        key: "mail_from",
        default: "Firewarden <no-reply@localhost.localdomain>",
        help: "the sender of every mail",
    },
    Setting { key: "log_format", default: "text", help: "text or json" },
    Setting { key: "log", default: "info,actix_server=warn", help: "what to log: a level, or `target=level,…`" },
    Setting {
        key: "sealing_key_file",
        default: "",
        help: "32 random bytes, mode 0600; made in the data folder if left out",
    },
    Setting { key: "login_per_minute", default: "30", help: "sign-ins and sign-ups a minute from one address" },
    Setting { key: "token_per_minute", default: "1200", help: "tokens a minute for one key" },
    Setting {
        key: "admin_per_minute",
        default: "1200",
        help: "administration requests a minute for one session or key",
    },
    Setting { key: "import_per_minute", default: "60", help: "uploaded documents a minute for one session" },
];

/// Variables that are no settings of the file.
const OTHER_VARIABLES: &[&str] =
    &["FIREWARDEN_SEALING_KEY", "FIREWARDEN_KILL_AT", "FIREWARDEN_SHARED", "FIREWARDEN_REQUIRE_POSTGRES"];
/// What the variables of tests begin with.
const TEST_VARIABLES: &str = "FIREWARDEN_TEST_";
/// A larger file is no configuration.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why the configuration cannot be used: which setting, from where, and what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting's value is of no use.
    #[error("{origin}: `{key}` must be {expected}")]
    Value {
        /// Which.
        key: &'static str,
        /// Where it was set.
        origin: Origin,
        /// What it should be.
        expected: &'static str,
    },
    /// A secret stands where others can read it.
    #[error("`--{0}` holds a password, and flags can be read by every user of this machine: set {1} instead")]
    SecretFlag(String, String),
    /// A name that is no setting.
    #[error("{0}: `{1}` is no setting; `firewarden serve --help` lists them all")]
    Unknown(String, String),
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, String),
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// The environment.
    Variable,
    /// `firewarden.toml`.
    File,
    /// The table above.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Flag => "flag",
            Self::Variable => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// Every setting with its value and where it came from.
#[derive(Clone, Debug)]
pub struct Settings(BTreeMap<&'static str, (String, Origin)>);

impl Settings {
    /// Reads each setting from the first place that has it.
    pub fn read(
        flags: &BTreeMap<&'static str, String>,
        variable: &dyn Fn(&str) -> Option<String>,
        file: &toml::Table,
    ) -> Result<Self, ConfigError> {
        if let Some(unknown) = file.keys().find(|key| !SETTINGS.iter().any(|setting| setting.key == key.as_str())) {
            return Err(ConfigError::Unknown("file".into(), unknown.clone()));
        }
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let value = if let Some(value) = flags.get(setting.key) {
                refuse_secret(setting.key, value)?;
                (value.clone(), Origin::Flag)
            } else if let Some(value) = variable(&variable_name(setting.key)) {
                (value, Origin::Variable)
            } else if let Some(value) = file.get(setting.key) {
                (text_of(value), Origin::File)
            } else {
                (setting.default.to_owned(), Origin::Default)
            };
            values.insert(setting.key, value);
        }
        Ok(Self(values))
    }

    /// The value of a setting; empty if nobody set it and it has no default.
    fn text(&self, key: &'static str) -> &str {
        self.0.get(key).map_or("", |(value, _)| value.as_str())
    }

    fn error(&self, key: &'static str, expected: &'static str) -> ConfigError {
        let origin = self.0.get(key).map_or(Origin::Default, |(_, origin)| *origin);
        ConfigError::Value { key, origin, expected }
    }

    fn number(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u32>,
        expected: &'static str,
    ) -> Result<u32, ConfigError> {
        self.text(key).parse().ok().filter(|number| range.contains(number)).ok_or_else(|| self.error(key, expected))
    }

    /// The settings as `firewarden.toml` has them, with where each came from; passwords are left out.
    #[must_use]
    pub fn print(&self) -> String {
        SETTINGS.iter().fold(String::new(), |out, setting| {
            let (value, origin) = self.0.get(setting.key).cloned().unwrap_or((String::new(), Origin::Default));
            let value = toml::Value::String(without_password(&value));
            format!("{out}# {} ({origin})\n{} = {value}\n", setting.help, setting.key)
        })
    }
}

fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The environment's name of a setting.
#[must_use]
pub fn variable_name(key: &str) -> String {
    format!("FIREWARDEN_{}", key.to_ascii_uppercase())
}

fn refuse_secret(key: &str, value: &str) -> Result<(), ConfigError> {
    if without_password(value) == value {
        return Ok(());
    }
    Err(ConfigError::SecretFlag(key.replace('_', "-"), variable_name(key)))
}

/// The text with `***` for the password of a URL, whether in its authority or its query.
#[must_use]
pub fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            format!("{}:***@{host}", user.split(':').next().unwrap_or_default())
        }
        _ => rest.to_owned(),
    };
    let query = query.map(|query| {
        let masked: Vec<_> = query
            .split('&')
            .map(|part| if part.to_ascii_lowercase().starts_with("password=") { "password=***" } else { part })
            .collect();
        format!("?{}", masked.join("&"))
    });
    format!("{scheme}://{rest}{}", query.unwrap_or_default())
}

/// Reads `firewarden.toml`; a file that was not asked for may be missing.
pub fn read_file(asked: Option<&Path>) -> Result<toml::Table, ConfigError> {
    let path = asked.unwrap_or(Path::new("firewarden.toml"));
    if asked.is_none() && !path.exists() {
        return Ok(toml::Table::new());
    }
    let failed = |error: &dyn fmt::Display| ConfigError::File(path.to_owned(), error.to_string());
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(failed(&"larger than 64 KiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    text.parse().map_err(|error: toml::de::Error| failed(&error.message()))
}

/// A variable that begins like ours and is none: a misspelled setting must not be ignored in silence.
pub fn check_variables(names: impl Iterator<Item = String>) -> Result<(), ConfigError> {
    let known = |name: &str| {
        OTHER_VARIABLES.contains(&name)
            || name.starts_with(TEST_VARIABLES)
            || SETTINGS.iter().any(|setting| variable_name(setting.key) == name)
    };
    match names.filter(|name| name.starts_with("FIREWARDEN_")).find(|name| !known(name)) {
        Some(name) => Err(ConfigError::Unknown("environment".into(), name)),
        None => Ok(()),
    }
}

/// Where things are kept.
#[derive(Clone, Debug)]
pub struct DataConfig {
    /// The data folder.
    pub dir: PathBuf,
    /// The sealing key's file.
    pub sealing_key_file: PathBuf,
}

/// How requests come in.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The base of links, if it is not the address listened on.
    pub public_url: Option<String>,
    /// Threads that answer requests.
    pub workers: usize,
    /// Requests a minute.
    pub quotas: web::limit::Quotas,
}

/// Where the database is.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Its URL; may hold a password.
    pub url: String,
    /// Connections to it.
    pub connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DatabaseConfig {{ url: {:?} }}", without_password(&self.url))
    }
}

/// How mail goes out.
#[derive(Clone)]
pub struct MailConfig {
    /// The SMTP server's URL; files in the data folder without one. May hold a password.
    pub smtp_url: Option<String>,
    /// The sender.
    pub from: String,
}

impl fmt::Debug for MailConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let smtp_url = self.smtp_url.as_deref().map(without_password);
        out.debug_struct("MailConfig").field("smtp_url", &smtp_url).field("from", &self.from).finish()
    }
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// One JSON object a line, or text.
    pub json: bool,
    /// A filter of tracing-subscriber.
    pub filter: String,
}

impl DataConfig {
    /// Reads it.
    #[must_use]
    pub fn from(settings: &Settings) -> Self {
        let dir = PathBuf::from(settings.text("data_dir"));
        let sealing_key_file = match settings.text("sealing_key_file") {
            "" => dir.join("sealing.key"),
            path => PathBuf::from(path),
        };
        Self { dir, sealing_key_file }
    }
}

impl HttpConfig {
    /// Reads it.
    pub fn from(settings: &Settings) -> Result<Self, ConfigError> {
        let listen = settings.text("listen").parse();
        let listen = listen.map_err(|_| settings.error("listen", "an address and a port such as 127.0.0.1:8080"))?;
        let public_url = match settings.text("public_url") {
            "" => None,
            url => Some(
                base_url(url)
                    .ok_or_else(|| settings.error("public_url", "an http or https URL without query and fragment"))?,
            ),
        };
        let rate = |key| settings.number(key, 1..=1_000_000, "1 to 1000000");
        let quotas = web::limit::Quotas {
            login: rate("login_per_minute")?,
            token: rate("token_per_minute")?,
            admin: rate("admin_per_minute")?,
            import: rate("import_per_minute")?,
            ..web::limit::Quotas::default()
        };
        let workers = settings.number("workers", 1..=64, "1 to 64")? as usize;
        Ok(Self { listen, public_url, workers, quotas })
    }
}

/// The base without its trailing slash, if it can be one.
fn base_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let clean = |char: char| char.is_ascii_graphic() && !"?#@\\\"'<>".contains(char);
    (!rest.is_empty() && !rest.starts_with('/') && rest.chars().all(clean))
        .then(|| text.trim_end_matches('/').to_owned())
}

impl DatabaseConfig {
    /// Reads it.
    pub fn from(settings: &Settings) -> Result<Self, ConfigError> {
        let url = match settings.text("database_url") {
            "" => format!("sqlite:{}", DataConfig::from(settings).dir.join("firewarden.db").display()),
            url if ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) => {
                url.to_owned()
            }
            _ => return Err(settings.error("database_url", "a URL that starts with sqlite: or postgres://")),
        };
        Ok(Self { url, connections: settings.number("database_connections", 1..=256, "1 to 256")? })
    }
}

impl MailConfig {
    /// Reads it.
    #[must_use]
    pub fn from(settings: &Settings) -> Self {
        let smtp_url = Some(settings.text("smtp_url")).filter(|url| !url.is_empty()).map(str::to_owned);
        Self { smtp_url, from: settings.text("mail_from").to_owned() }
    }
}

impl LogConfig {
    /// Reads it.
    pub fn from(settings: &Settings) -> Result<Self, ConfigError> {
        let json = match settings.text("log_format") {
            "json" => true,
            "text" => false,
            _ => return Err(settings.error("log_format", "text or json")),
        };
        Ok(Self { json, filter: settings.text("log").to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[(&'static str, &str)], variables: &[(&str, &str)], file: &str) -> Result<Settings, ConfigError> {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let variable =
            |name: &str| variables.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned());
        Settings::read(&flags, &variable, &file.parse().unwrap())
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "listen = \"127.0.0.1:3\"\nworkers = 3";
        let variables = [("FIREWARDEN_LISTEN", "127.0.0.1:2")];
        let listen = |settings: Settings| HttpConfig::from(&settings).unwrap().listen.port();
        assert_eq!(listen(read(&[("listen", "127.0.0.1:1")], &variables, file).unwrap()), 1);
        assert_eq!(listen(read(&[], &variables, file).unwrap()), 2);
        assert_eq!(listen(read(&[], &[], file).unwrap()), 3);
        assert_eq!(listen(read(&[], &[], "").unwrap()), 8080);
        assert_eq!(HttpConfig::from(&read(&[], &[], file).unwrap()).unwrap().workers, 3);
    }

    #[test]
    fn what_is_misspelled_or_out_of_range_is_refused_by_name() {
        assert!(matches!(read(&[], &[], "lisen = 1"), Err(ConfigError::Unknown(_, name)) if name == "lisen"));
        assert!(check_variables(["FIREWARDEN_LISEN".to_owned()].into_iter()).is_err());
        assert!(
            check_variables(["FIREWARDEN_LISTEN", "FIREWARDEN_TEST_POSTGRES", "PATH"].map(str::to_owned).into_iter())
                .is_ok()
        );
        for (key, value) in
            [("listen", "8080"), ("workers", "0"), ("public_url", "example.org"), ("public_url", "https://a/?b")]
        {
            let error = HttpConfig::from(&read(&[(key, value)], &[], "").unwrap()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("flag: `{key}` must be")), "{error}");
        }
        let settings = read(&[], &[("FIREWARDEN_DATABASE_URL", "host=x dbname=y")], "").unwrap();
        assert!(DatabaseConfig::from(&settings).is_err());
    }

    #[test]
    fn a_secret_is_never_a_flags_value_and_never_printed() {
        let url = "postgres://app:hunter2@db/firewarden";
        assert!(matches!(read(&[("database_url", url)], &[], ""), Err(ConfigError::SecretFlag(..))));
        let settings =
            read(&[], &[("FIREWARDEN_DATABASE_URL", url), ("FIREWARDEN_SMTP_URL", "smtps://u:hunter2@h")], "");
        let settings = settings.unwrap();
        assert!(!settings.print().contains("hunter2"));
        assert!(!format!("{:?}{:?}", DatabaseConfig::from(&settings), MailConfig::from(&settings)).contains("hunter2"));
        assert!(read(&[("database_url", "postgres://app@db/x")], &[], "").is_ok());
        assert_eq!(without_password("postgres:///x?user=a&password=b"), "postgres:///x?user=a&password=***");
    }
}
