use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {}

fn main() {}
