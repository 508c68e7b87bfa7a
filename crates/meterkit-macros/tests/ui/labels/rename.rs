use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(rename = "a")]
    route: &'static str,
}

fn main() {}
