use meterkit::Labels;

#[derive(Labels)]
struct Request(u16);

fn main() {}
