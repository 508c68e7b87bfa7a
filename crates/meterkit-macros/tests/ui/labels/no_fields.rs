use meterkit::Labels;

#[derive(Labels)]
struct Request {}

fn main() {}
