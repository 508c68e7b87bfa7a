use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name)]
    Done,
}

fn main() {}
