use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(crate = "elsewhere")]
enum Outcome {
    Done,
}

fn main() {}
