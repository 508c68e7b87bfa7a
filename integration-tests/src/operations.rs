//! What the load generator made of catalog-service, as the service counts it.

use std::collections::BTreeMap;

use catalog_service::http::Method;
use catalog_service::load::Tally;

/// How often the catalog was changed, by action: attempts that reached it, refused ones too.
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

/// How many requests were answered.
pub fn requests(tally: &Tally) -> u64 {
    tally.requests.iter().map(|(_, count)| count).sum()
}
