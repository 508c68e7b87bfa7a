use meterkit::Labels;

#[derive(Labels)]
struct Request {
    status: u16,
    tags: Option<Vec<String>>,
}

fn main() {}
