use meterkit::Labels;

#[derive(Labels)]
enum Request {
    Get,
}

fn main() {}
