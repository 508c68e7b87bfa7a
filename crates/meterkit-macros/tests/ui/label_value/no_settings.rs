use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label]
    Done,
}

fn main() {}
