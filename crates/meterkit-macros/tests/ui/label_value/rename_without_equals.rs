use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(rename "done")]
    Done,
}

fn main() {}
