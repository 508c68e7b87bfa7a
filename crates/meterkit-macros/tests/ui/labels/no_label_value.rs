use meterkit::Labels;

#[derive(Labels)]
struct Request {
    status: u16,
    tags: Vec<String>,
}

fn main() {}
