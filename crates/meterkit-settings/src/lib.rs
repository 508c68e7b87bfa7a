//! Declares and reads the settings of `meterkit` and its targets.
//!
//! A [`Setting`] is declared once, as a constant in a table of [`settings!`]: its variable, its key in a configuration
//! file, its type, default and meaning. Everything else follows from the table: a [`Reader`] reads values from the
//! environment or from a section of a configuration file, [`documentation()`] renders the table as Markdown, and
//! `testing` checks that all settings of a table behave alike.
//!
//! All problems go to one collector, [`Problems`], so that a single start reports them together. A [`Problem`] never
//! shows anything that may be a credential.
//!
//! ```
//! use meterkit_settings::{Environment, Setting, count, settings, token};
//!
//! settings! {
//!     SETTINGS for None;
//!
//!     QUEUE_BYTES: usize = count("ACME_QUEUE_BYTES").by_default("`1000`").meaning("how much waits at most");
//!
//!     TOKEN: String = token("ACME_TOKEN").meaning("a token that may write");
//! }
//!
//! let environment = Environment::of([("ACME_QUEUE_BYTES", "many"), ("ACME_TOKEN", "Bearer hunter2")]);
//! let error = environment.read(|reader| (reader.get(&QUEUE_BYTES), reader.get(&TOKEN))).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "2 problems in the environment:
//!   ACME_QUEUE_BYTES=`many`: write a whole number, 1 or more
//!   ACME_TOKEN: contains white space; write the token alone, without `Bearer` or `Basic`"
//! );
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod at_start;
mod declaration;
mod documentation;
mod environment;
#[cfg(feature = "file")]
pub mod file;
mod from_file;
mod parse;
mod problem;
mod quote;
mod reader;
mod section;
mod small_file;
mod spelling;
mod target;
mod value_type;
mod words;

#[doc(hidden)] // for `warn_at_start!`
pub use tracing;

#[doc(hidden)] // for `warn_at_start!`
pub use self::at_start::to_standard_error;
pub use self::declaration::{
    Declaration, Setting, boolean, count, export_interval, file, host, interval, milliseconds,
    pairs_of_text, password, port, text, timeout, token, url, username, word,
};
pub use self::documentation::documentation;
pub use self::environment::Environment;
pub use self::from_file::{FileVersion, FromFile};
pub use self::parse::{bare_host, pairs, password_problem, token_problem, username_problem};
pub use self::problem::{Position, Problem, Problems, SettingsError};
pub use self::quote::url_without_secrets;
pub use self::reader::Reader;
pub use self::section::{Section, SectionValue};
pub use self::small_file::{SmallFileError, open_own_file, read_own_file, read_small_file};
pub use self::spelling::nearest;
pub use self::target::TargetDeclaration;
pub use self::value_type::ValueType;
pub use self::words::{UnknownWord, Words};
