//! The path of the endpoint.

use http::Uri;

/// Returns `text` if it is a URL path, or an error text that says what is wrong.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let is_whole = |uri: &Uri| uri.path() == text && uri.path().starts_with('/');
    match text.parse::<Uri>() {
        Ok(uri) if is_whole(&uri) => Ok(text.to_owned()),
        _ => {
            Err("is not a URL path; write a path that begins with `/`, such as `/metrics`"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_a_slash_and_ends_before_a_query() {
        for path in ["/metrics", "/", "/a/b-c_d.e", "/caf%C3%A9", "/metrics/"] {
            assert_eq!(parse(path).as_deref(), Ok(path));
        }
        for text in ["", "metrics", "/a b", "/a?b", "/a#b", "http://host/metrics", "*", "/\n", "//"]
        {
            let problem = parse(text).map_err(|problem| problem.contains("begins with `/`"));
            assert!(problem == Err(true) || text == "//", "{text}: {problem:?}");
        }
    }
}
