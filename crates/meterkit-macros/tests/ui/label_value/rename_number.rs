use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(rename = 5)]
    Done,
}

fn main() {}
