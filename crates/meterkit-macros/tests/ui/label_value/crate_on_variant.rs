use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(crate = "meterkit")]
    Done,
}

fn main() {}
