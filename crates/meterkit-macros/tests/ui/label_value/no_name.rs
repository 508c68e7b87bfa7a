use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label("done")]
    Done,
}

fn main() {}
