use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(krate = "meterkit")]
enum Outcome {
    Done,
}

fn main() {}
