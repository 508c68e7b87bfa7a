use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    Done,
    Status(u16),
}

fn main() {}
