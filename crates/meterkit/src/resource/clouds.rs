//! The cloud: its platform, its region, and the program's place in it.
//!
//! Variables and files show which cloud it is. Only then is its metadata server asked, which is reachable only from the
//! cloud's own machines.

mod aws;
mod gcp;
mod metadata;

pub(super) use self::metadata::{Question, ask};
use super::surroundings::Surroundings;
use super::{Attribute, attribute};

pub(super) fn detect(around: &Surroundings<'_>) -> Vec<Attribute> {
    let found = aws::detect(around).or_else(|| gcp::detect(around));
    found.unwrap_or_default()
}

/// The manufacturer of the machine, as its firmware states it.
const VENDOR_FILE: &str = "/sys/class/dmi/id/sys_vendor";

/// The product name of the machine, as its firmware states it.
const PRODUCT_FILE: &str = "/sys/class/dmi/id/product_name";

/// The variable that Kubernetes sets in every pod.
const IN_A_POD: &str = "KUBERNETES_SERVICE_HOST";

/// Returns whether `file` contains exactly this text.
fn is(around: &Surroundings<'_>, file: &str, text: &str) -> bool {
    around.file(file).is_some_and(|found| found.trim() == text)
}

/// The attributes found so far. Attributes with unknown values are skipped.
struct Found(Vec<Attribute>);

impl Found {
    fn on(provider: &'static str, platform: &'static str) -> Self {
        Self(vec![attribute("cloud.provider", provider), attribute("cloud.platform", platform)])
    }

    fn and(mut self, key: &str, value: Option<impl Into<String>>) -> Self {
        let value = value.map(Into::into).filter(|value: &String| !value.trim().is_empty());
        self.0.extend(value.map(|value| attribute(key, value.trim().to_owned())));
        self
    }
}

/// Returns the text of a JSON field whose name occurs only once.
fn field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (value, _) = rest.split_once('"')?;
    // Ids and names in clouds never contain an escape.
    (!value.contains('\\')).then(|| value.to_owned())
}

#[cfg(test)]
mod tests;
