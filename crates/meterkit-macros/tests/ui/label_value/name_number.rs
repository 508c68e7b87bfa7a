use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name = 5)]
    Done,
}

fn main() {}
