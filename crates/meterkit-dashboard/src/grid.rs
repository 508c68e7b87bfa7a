//! The layout of panels.

use crate::panels::Panel;

/// The number of columns in Grafana's grid.
pub(crate) const COLUMNS: u32 = 24;

/// The number of columns of a panel: three panels fit side by side. Larger groups share a line with narrower panels.
const WIDTH: u32 = 8;

/// The height of a panel.
const HEIGHT: u32 = 8;

/// The height of a row's title.
pub(crate) const TITLE_HEIGHT: u32 = 1;

/// The position of a panel within its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GridPosition {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Places panels from left to right. Panels of one instrument stay in one line.
pub(crate) fn places(panels: &[Panel]) -> Vec<GridPosition> {
    let mut places = Vec::with_capacity(panels.len());
    let (mut x, mut y) = (0, 0);
    for of_instrument in panels.chunk_by(|_, next| next.belongs_to_previous) {
        let count = u32::try_from(of_instrument.len()).unwrap_or(1);
        let width = WIDTH.min(COLUMNS / count);
        if x + count * width > COLUMNS && x > 0 {
            (x, y) = (0, y + HEIGHT);
        }
        for _ in of_instrument {
            places.push(GridPosition { x, y, width, height: HEIGHT });
            x += width;
        }
    }
    places
}

/// Returns the height of a row without its title.
pub(crate) fn height(places: &[GridPosition]) -> u32 {
    places.iter().map(|place| place.y + place.height).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::View;

    /// Places one panel per item. Each item states whether the panel belongs to the same group as the previous panel.
    fn of_groups<const N: usize>(belong_to_previous: [bool; N]) -> Vec<GridPosition> {
        let panel = |belongs_to_previous| Panel {
            id: 1,
            title: String::new(),
            description: String::new(),
            view: View::Lines,
            unit: String::new(),
            queries: Vec::new(),
            belongs_to_previous,
        };
        places(&belong_to_previous.map(panel))
    }

    #[test]
    fn panels_of_one_instrument_stay_side_by_side() {
        // A counter, a histogram with three panels, and a gauge.
        let places = of_groups([false, false, true, true, false]);
        let at: Vec<_> = places.iter().map(|place| (place.x, place.y)).collect();
        assert_eq!(at, [(0, 0), (0, 8), (8, 8), (16, 8), (0, 16)]);
        assert_eq!(height(&places), 24);
    }

    #[test]
    fn four_panels_of_a_group_share_a_line() {
        let places = of_groups([false, true, true, true]);
        let at: Vec<_> = places.iter().map(|place| (place.x, place.y, place.width)).collect();
        assert_eq!(at, [(0, 0, 6), (6, 0, 6), (12, 0, 6), (18, 0, 6)]);
    }
}
