//! Expected counts of catalog-service, from the tally of the load generator.

use std::collections::BTreeMap;

use catalog_service::http::Method;
use catalog_service::load::Tally;

/// Returns the number of attempts to change the catalog, by action, including failed attempts.
pub fn by_action(tally: &Tally) -> BTreeMap<String, u64> {
    let mut operations = BTreeMap::new();
    for (request, count) in tally.requests.iter() {
        let action = match request.method {
            Method::Post if request.route == "/catalog/entities" => "create",
            Method::Put => "update",
            Method::Delete => "delete",
            _ => continue,
        };
        if [200, 201, 204, 404, 409].contains(&request.status) {
            *operations.entry(action.to_owned()).or_default() += count;
        }
    }
    operations
}

/// Returns the number of answered requests.
pub fn requests(tally: &Tally) -> u64 {
    tally.requests.iter().map(|(_, count)| count).sum()
}
