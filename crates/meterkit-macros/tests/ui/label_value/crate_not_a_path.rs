use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(crate = "my crate")]
enum Outcome {
    Done,
}

fn main() {}
