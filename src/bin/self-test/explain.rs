//! A pooling in a few words of the command line, and what its plan says of itself.

use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{Backend, Explanation, Layout, Op, Pool, Shape, Strides};
use std::error::Error;
use std::str::FromStr;

/// What `--explain` takes: `max 3x3 s2 p1 1x64x112x112 first`.
#[derive(Clone)]
pub(crate) struct Described(Case);

const OPS: [(&str, Op); 4] =
    [("max", Op::Max), ("average", Op::Average), ("min", Op::Min), ("sum", Op::Sum)];

impl Described {
    /// What the plan says on the backend asked for, or else the process's own.
    pub(crate) fn explain(
        &self,
        backend: Option<&'static Backend>,
    ) -> Result<Explanation, Box<dyn Error>> {
        Ok(self.0.explain(backend)?)
    }
}

/// The fields of an explanation.
pub(crate) fn json(explanation: &Explanation) -> serde_json::Value {
    let Explanation { op, layout, walk, .. } = explanation;
    serde_json::json!({
        "op": format!("{op:?}"),
        "element": explanation.element,
        "layout": format!("{layout:?}"),
        "backend": explanation.backend.name(),
        "choice": explanation.choice.to_string(),
        "walk": walk.map(|walk| format!("{walk:?}")),
        "walk_reason": explanation.walk_reason,
        "read_bytes": explanation.read_bytes,
        "written_bytes": explanation.written_bytes,
        "merges": explanation.merges,
        "merges_per_byte": explanation.merges_per_byte(),
        "memory_cycles": explanation.memory_cycles,
        "merge_cycles": explanation.merge_cycles,
        "bound": explanation.bound.to_string(),
        "threads": explanation.threads,
    })
}

impl FromStr for Described {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let Some((_, op)) = OPS.iter().find(|(known, _)| *known == name) else {
            let known = OPS.map(|(name, _)| name).join(" or ");
            return Err(format!("starts with {name:?}, but a pooling starts with {known}"));
        };
        let kernel = sizes(words.next().unwrap_or_default())?;
        match kernel.len() {
            1 => described(*op, array::<1>(&kernel)?, words, Pooling::One),
            2 => described(*op, array::<2>(&kernel)?, words, Pooling::Two),
            3 => described(*op, array::<3>(&kernel)?, words, Pooling::Three),
            n => Err(format!("a kernel along {n} axes, of 1 to 3")),
        }
    }
}

fn described<'a, const D: usize>(
    op: Op,
    kernel: [usize; D],
    words: impl Iterator<Item = &'a str>,
    pooling: fn(Pool<D>, Shape<D>) -> Pooling,
) -> Result<Described, String> {
    let mut pool = Pool::new(op, kernel);
    let (mut layout, mut shape, mut whole) = (Layout::ChannelsFirst, None, None);
    let mut element = ElementType::F32;
    for word in words {
        if let Some(named) = ElementType::named(word) {
            element = named;
            continue;
        }
        match (word, word.split_at(1)) {
            ("first", _) => layout = Layout::ChannelsFirst,
            ("last", _) => layout = Layout::ChannelsLast,
            ("ceil", _) => pool = pool.ceil_mode(true),
            (_, ("c", rest)) => {
                let block =
                    rest.parse().map_err(|_| format!("{word:?} is not blocks such as c8"))?;
                layout = Layout::Blocked(block);
            }
            (_, ("@", rest)) => whole = Some(shaped(&sizes(rest)?)?),
            (_, ("s", rest)) => pool = pool.stride(array(&sizes(rest)?)?),
            (_, ("d", rest)) => pool = pool.dilation(array(&sizes(rest)?)?),
            (_, ("p", rest)) => pool = pool.padding(array(&sizes(rest)?)?),
            _ => shape = Some(shaped(&sizes(word)?)?),
        }
    }
    let shape = shape.ok_or("no shape: batch, channels, and the sizes along the axes")?;
    let pooling = pooling(pool, shape);
    let strides = whole.map(|whole: Shape<D>| {
        let Strides { batch, channels, spatial } = Strides::of(layout, whole);
        let mut strides = [batch, channels, 0, 0, 0];
        strides[5 - D..].copy_from_slice(&spatial);
        strides
    });
    Ok(Described(Case { pooling, layout, strides, element, seed: 0, values: Values::Numbers }))
}

/// Batch, channels and as many sizes as there are axes.
fn shaped<const D: usize>(sizes: &[usize]) -> Result<Shape<D>, String> {
    match sizes {
        [batch, channels, spatial @ ..] if spatial.len() == D => {
            Ok(Shape::new(*batch, *channels, array(spatial)?))
        }
        other => Err(format!("a shape of {} sizes, of batch, channels and {D}", other.len())),
    }
}

/// As many sizes as there are axes; a single one is for all of them.
fn array<const D: usize>(sizes: &[usize]) -> Result<[usize; D], String> {
    match sizes {
        &[one] => Ok([one; D]),
        many => many.try_into().map_err(|_| format!("{} sizes along {D} axes", many.len())),
    }
}

fn sizes(word: &str) -> Result<Vec<usize>, String> {
    let size = |size: &str| size.parse().map_err(|_| format!("{word:?} is not sizes such as 3x3"));
    word.split(['x', '×']).map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanepool::Pool2d;

    #[test]
    fn a_description_is_read() {
        let Described(case) = "max 3x3 s2 p1x0 d2 1x64x112x96 last ceil".parse().unwrap();
        let pool = Pool2d::max([3, 3]).stride([2, 2]).padding([1, 0]).dilation([2, 2]);
        let shape = Shape::new(1, 64, [112, 96]);
        assert_eq!(case.pooling, Pooling::Two(pool.ceil_mode(true), shape));
        assert_eq!(case.layout, Layout::ChannelsLast);
        let Described(case) = "max 2x2 1x12x8x8 c8 @1x16x9x10".parse().unwrap();
        assert_eq!(case.layout, Layout::Blocked(8));
        assert_eq!(case.strides, Some([2 * 9 * 10 * 8, 9 * 10 * 8, 0, 10 * 8, 8]));
        assert!("average 4 s4 1x128x16000".parse::<Described>().is_ok());
        assert!("max 2×2×2 1x1x4x4x4 first".parse::<Described>().is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_description_is_said() {
        for (text, part) in [
            ("", "max or average or min or sum"),
            ("median 3x3 1x1x4x4", "\"median\""),
            ("max", "sizes such as 3x3"),
            ("max 1x1x1x1 1x1x4x4x4x4", "1 to 3"),
            ("max 3x3", "no shape"),
            ("max 3x3 1x4x4", "a shape of 3 sizes"),
            ("max 3x3 s2x2x2 1x1x4x4", "3 sizes along 2 axes"),
            ("max 3x3 sx 1x1x4x4", "\"x\""),
            ("max 3x3 cx 1x1x4x4", "\"cx\""),
            ("max 3x3 1x1x4x4 @4x4", "a shape of 2 sizes"),
            ("max 3x3 first 1x1x4x4 backwards", "\"backwards\""),
        ] {
            let error = text.parse::<Described>().err().unwrap();
            assert!(error.contains(part), "{error} of {text}");
        }
    }
}
