//! Points of summaries, which have no deltas.

use std::time::SystemTime;

use meterkit_core::{Attributes, Data, SeriesId, SummaryPoint};

use super::{Point, point, raised};

impl Point for SummaryPoint {
    point!(points in Data::Summary(points));

    fn since(&self, _earlier: &Self, _time: SystemTime) -> Self {
        self.clone()
    }

    fn is_nothing(&self) -> bool {
        self.count == 0
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, None, (last.sum, last.count));
    }
}
