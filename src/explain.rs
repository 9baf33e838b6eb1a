//! What a plan would do, and why, in numbers and in words.

use crate::{Element, Layout, Op, Plan};
use core::fmt;
use lanepool_kernels::{Axis, Backend, Geometry, Walk};
use std::sync::OnceLock;

/// What a plan will do and why, from [`Plan::explain`]; as text, some lines of at most 100 columns.
///
/// Nothing is measured for it. Numbers of cycles are rules of thumb, good enough to tell what a
/// pooling waits for, and no forecast of a time:
///
/// - A core moves 64, 32, 16 and 5 bytes a cycle from and to the first-, second- and third-level
///   cache and memory. Input and output are taken to be in the smallest cache that holds both, as
///   they are if they were used just before.
/// - A core merges one vector a cycle, and the [`merges`](Self::merges) fill vectors, but for those of
///   [`Walk::Each`], which has none.
///
/// The larger of the two is the expected [`bound`](Self::bound).
///
/// ```
/// use lanepool::{Backend, Bound, Choice, Layout, Plan, Pool2d, Shape, Walk};
///
/// let pool = Pool2d::max([2, 2]).stride([2, 2]);
/// let shape = Shape::new(1, 1024, [224, 224]);
/// let backend = Backend::named("scalar")?;
/// let plan: Plan<f32> = pool.plan_on(backend, Layout::ChannelsLast, shape)?;
/// let explanation = plan.explain();
/// assert_eq!(explanation.choice, Choice::Named);
/// assert_eq!(explanation.walk, Some(Walk::Down));
/// assert_eq!(explanation.written_bytes, 1024 * 112 * 112 * 4);
/// assert_eq!(explanation.merges, 1024 * 112 * 112 * 3);
/// assert!(matches!(explanation.bound, Bound::Arithmetic | Bound::Memory | Bound::Cache(_)));
/// assert!(explanation.to_string().contains("1×224×224×1024 to 1×112×112×1024"));
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// What is done to each window.
    pub op: Op,
    /// The type of the elements, as in `f32`.
    pub element: &'static str,
    /// The order of the elements.
    pub layout: Layout,
    /// The backend whose kernel runs.
    pub backend: &'static Backend,
    /// Why it is this one.
    pub choice: Choice,
    /// The way over the windows; none where there are plain loops: in `autovec` and `reference`, and for averages
    /// of integers whose quantisation is not that of the output.
    pub walk: Option<Walk>,
    /// What makes these windows suit that walk.
    pub walk_reason: &'static str,
    /// Bytes of the input. Those between windows count, since they are in the same cache lines; those in
    /// the gaps of a view do not.
    pub read_bytes: usize,
    /// Bytes of the output.
    pub written_bytes: usize,
    /// Merges of two elements by the definition: for each window, one less than it has elements.
    /// Where windows overlap, walks share merges among them, and do fewer.
    pub merges: u64,
    /// Cycles of one core for moving the bytes.
    pub memory_cycles: f64,
    /// Cycles of one core for the merges.
    pub merge_cycles: f64,
    /// What is expected to take longest.
    pub bound: Bound,
    /// Bytes of this machine's caches, the first level first: what Linux says, or else those of a
    /// usual CPU.
    pub caches: [usize; 3],
    /// The threads among which `run_parallel` would divide the work, in the current rayon pool;
    /// `run` always uses one.
    pub threads: usize,
    sizes: Sizes,
}

/// Why a plan has its backend.
///
/// ```
/// use lanepool::{Backend, Choice, Layout, Plan, Pool1d, Shape};
///
/// let shape = Shape::new(1, 1, [3]);
/// let plan: Plan<f32> = Pool1d::max([2]).plan(Layout::ChannelsFirst, shape)?;
/// let expected = match Backend::best()? == Backend::fastest() {
///     true => Choice::Fastest,
///     false => Choice::Environment,
/// };
/// assert_eq!(plan.explain().choice, expected);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Choice {
    /// It is the first one that this CPU supports.
    Fastest,
    /// `LANEPOOL_BACKEND` names it, instead of the first one.
    Environment,
    /// The caller named it.
    Named,
}

/// What a pooling is expected to wait for.
///
/// ```
/// use lanepool::{Bound, Layout, Plan, Pool2d, Shape};
///
/// // Windows of 2500 elements, most of which they share.
/// let pool = Pool2d::max([50, 50]);
/// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [100, 100]))?;
/// assert_eq!(plan.explain().bound, Bound::Arithmetic);
/// assert_eq!(Bound::Cache(2).to_string(), "level 2 cache");
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// The cache of this level, from 1 to 3.
    Cache(usize),
    /// Memory.
    Memory,
    /// Merges.
    Arithmetic,
}

/// Bytes that a core moves in a cycle, from and to the caches and memory.
const BYTES_A_CYCLE: [f64; 4] = [64.0, 32.0, 16.0, 5.0];

impl Explanation {
    pub(crate) fn of<T: Element>(plan: &Plan<T>) -> Self {
        let [read_bytes, written_bytes] =
            [plan.geometry.elements(), plan.output_len()].map(|n| n * size_of::<T>());
        let bytes = read_bytes + written_bytes;
        let caches = caches();
        let level = caches.iter().position(|&cache| bytes <= cache).unwrap_or(caches.len());
        let merges = merges(&plan.geometry);
        let memory_cycles = bytes as f64 / BYTES_A_CYCLE[level];
        let walk = plan.walk_taken();
        let filled = match walk {
            Some(Walk::Each) => 1,
            _ => plan.lanes(),
        };
        let merge_cycles = merges as f64 / filled as f64;
        Self {
            op: plan.op,
            element: T::NAME,
            layout: plan.origin.layout,
            backend: plan.backend,
            choice: match plan.origin.named {
                true => Choice::Named,
                false if plan.backend == Backend::fastest() => Choice::Fastest,
                false => Choice::Environment,
            },
            walk,
            walk_reason: walk.map_or("plain loops, one window after the other", Walk::reason),
            read_bytes,
            written_bytes,
            merges,
            memory_cycles,
            merge_cycles,
            bound: match level {
                _ if merge_cycles > memory_cycles => Bound::Arithmetic,
                3 => Bound::Memory,
                level => Bound::Cache(level + 1),
            },
            caches,
            threads: plan.threads(),
            sizes: plan.sizes(),
        }
    }

    /// Merges for each byte that is read or written.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool1d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool1d::max([2]).stride([2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [8]))?;
    /// // Four windows with a merge each, eight elements in and four out.
    /// assert_eq!(plan.explain().merges_per_byte(), 4.0 / 48.0);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn merges_per_byte(&self) -> f64 {
        self.merges as f64 / (self.read_bytes + self.written_bytes).max(1) as f64
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, layout) = (format!("{:?}", self.op).to_lowercase(), layout(self.layout));
        writeln!(f, "{op} of {}, {layout}", self.element)?;
        let (input, output) = self.sizes.tensors();
        writeln!(f, "  tensor      {input} to {output}")?;
        if let Some(strides) = self.sizes.strides() {
            writeln!(f, "  view        strides {strides}")?;
        }
        writeln!(f, "  windows     {}", self.sizes.windows())?;
        writeln!(f, "  backend     {}, {}", self.backend.name(), self.choice)?;
        match self.walk {
            Some(walk) => writeln!(f, "  walk        {walk:?}: {}", self.walk_reason)?,
            None => writeln!(f, "  walk        {}", self.walk_reason)?,
        }
        let [read, written] = [self.read_bytes, self.written_bytes].map(|n| grouped(n as u64));
        writeln!(f, "  bytes       {read} read, {written} written")?;
        let (merges, per_byte) = (grouped(self.merges), self.merges_per_byte());
        writeln!(f, "  arithmetic  {merges} merges, {per_byte:.2} for each byte")?;
        write!(f, "  bound       {}", self.bound)?;
        if let Bound::Cache(level) = self.bound {
            write!(f, " of {} KiB", self.caches[level - 1] >> 10)?;
        }
        let [memory, merging] =
            [self.memory_cycles, self.merge_cycles].map(|n| grouped(n.ceil() as u64));
        writeln!(f, ": some {memory} cycles to move bytes, {merging} to merge")?;
        write!(f, "  threads     {}", self.threads)?;
        if self.threads == 1 { Ok(()) } else { write!(f, " by run_parallel, 1 by run") }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fastest => "the fastest that this CPU supports",
            Self::Environment => "by LANEPOOL_BACKEND",
            Self::Named => "as asked for",
        })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(level) => write!(f, "level {level} cache"),
            Self::Memory => f.write_str("memory"),
            Self::Arithmetic => f.write_str("arithmetic"),
        }
    }
}

/// The sizes of a pooling, in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) geometry: Geometry,
    pub(crate) layout: Layout,
    pub(crate) rank: usize,
}

impl Sizes {
    fn along(&self, size: impl Fn(&Axis) -> usize) -> Vec<usize> {
        self.geometry.axes()[3 - self.rank..].iter().map(size).collect()
    }

    /// Input and output; batch and channels are one number where nothing lies between them.
    fn tensors(&self) -> (String, String) {
        let tensor = |spatial: Vec<usize>| {
            let inner = (self.layout != Layout::ChannelsFirst).then_some(self.geometry.inner());
            let planes = [self.geometry.planes()];
            by(&planes.into_iter().chain(spatial).chain(inner).collect::<Vec<_>>())
        };
        (tensor(self.along(|axis| axis.input)), tensor(self.along(|axis| axis.output)))
    }

    /// From one to the next, if the input has gaps.
    fn strides(&self) -> Option<String> {
        let (geometry, strides) = (&self.geometry, self.geometry.strides());
        let along = [strides.depth, strides.height, strides.width];
        let mut text = format!("{}×{}", strides.plane, by(&along[3 - self.rank..]));
        if geometry.image_planes() < geometry.planes() {
            let planes = geometry.image_planes();
            text = format!("{}×{text}, {planes} planes an image", strides.image);
        }
        (!geometry.is_plain()).then_some(text)
    }

    fn windows(&self) -> String {
        let mut text = format!("kernel {}", by(&self.along(|axis| axis.kernel)));
        text += &format!(", stride {}", by(&self.along(|axis| axis.stride)));
        let dilation = self.along(|axis| axis.dilation);
        if dilation.iter().any(|&d| d != 1) {
            text += &format!(", dilation {}", by(&dilation));
        }
        let (begin, end) = (self.along(|axis| axis.pad_begin), self.along(|axis| axis.pad_end));
        if begin.iter().chain(&end).any(|&n| n != 0) {
            text += &format!(", padding {}", by(&begin));
            if begin != end {
                text += &format!(" and {}", by(&end));
            }
        }
        text
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, output) = self.tensors();
        write!(f, "{input} to {output}, {}", self.windows())?;
        match self.strides() {
            Some(strides) => write!(f, ", strides of the input {strides}"),
            None => Ok(()),
        }
    }
}

fn layout(layout: Layout) -> String {
    match layout {
        Layout::ChannelsFirst => "channels first".into(),
        Layout::ChannelsLast => "channels last".into(),
        Layout::Blocked(block) => format!("channels in blocks of {block}"),
    }
}

/// Sizes as people write them: 3×3.
pub(crate) fn by(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

/// A number that people can read: 1234567 is 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn merges(geometry: &Geometry) -> u64 {
    // Windows are products of those along the axes, and so are their elements and their number.
    let (mut taps, mut windows) = (1u64, 1u64);
    for axis in geometry.axes() {
        let along = (0..axis.output).map(|o| axis.taps(o).len()).filter(|&taps| taps > 0);
        let (mut sum, mut count) = (0u64, 0u64);
        for taps in along {
            sum = sum.saturating_add(taps as u64);
            count += 1;
        }
        taps = taps.saturating_mul(sum);
        windows *= count;
    }
    let lines = (geometry.planes() * geometry.inner()) as u64;
    (taps - windows).saturating_mul(lines)
}

/// Bytes of the caches of this machine's first core.
fn caches() -> [usize; 3] {
    const USUAL: [usize; 3] = [32 << 10, 512 << 10, 8 << 20];
    static CACHES: OnceLock<[usize; 3]> = OnceLock::new();
    *CACHES.get_or_init(|| {
        let mut caches = USUAL;
        for index in 0..8 {
            let of = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
            let [level, kind, size] = ["level", "type", "size"]
                .map(|name| std::fs::read_to_string(format!("{of}/{name}")).unwrap_or_default());
            if let Some((level, bytes)) = cache(level.trim(), kind.trim(), size.trim()) {
                caches[level] = bytes;
            }
        }
        caches
    })
}

/// Level, from 0, and bytes of a cache by what Linux says of it, if it holds data.
fn cache(level: &str, kind: &str, size: &str) -> Option<(usize, usize)> {
    let level: usize = level.parse().ok()?;
    let kibibytes: usize = size.strip_suffix('K')?.parse().ok()?;
    (kind != "Instruction" && (1..=3).contains(&level)).then_some((level - 1, kibibytes << 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Case;
    use crate::{Pool1d, Pool2d, Shape};

    fn explain<const D: usize>(pool: crate::Pool<D>, shape: Shape<D>) -> Explanation {
        let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, shape).unwrap();
        plan.explain()
    }

    #[test]
    fn merges_are_those_of_the_elements_inside() {
        // Windows of 2, 3, 3 and 2 elements.
        let pool = Pool1d::max([3]).padding([1]);
        assert_eq!(explain(pool, Shape::new(1, 1, [4])).merges, 6);
        assert_eq!(explain(pool, Shape::new(2, 5, [4])).merges, 60);
        let pool = Pool2d::max([3, 3]).stride([2, 2]);
        assert_eq!(explain(pool, Shape::new(1, 1, [5, 5])).merges, 4 * 8);
        // A window of padding alone has nothing to merge.
        assert_eq!(explain(Pool1d::max([2]).padding([2]), Shape::new(1, 1, [2])).merges, 1);
        assert_eq!(explain(pool, Shape::new(0, 1, [5, 5])).merges, 0);
        // Two windows of three elements, which share one.
        assert_eq!(explain(Pool1d::adaptive(Op::Max, [2]), Shape::new(1, 1, [5])).merges, 4);
    }

    #[test]
    fn the_bound_is_what_takes_longest() {
        let one_tap = Pool1d::max([1]);
        let bytes = |n: usize| Shape::new(1, 1, [n / 8]);
        let [l1, l2, l3] = explain(one_tap, bytes(8)).caches;
        for (n, bound) in [
            (l1, Bound::Cache(1)),
            (l2, Bound::Cache(2)),
            (l3, Bound::Cache(3)),
            (l3 + 8, Bound::Memory),
        ] {
            assert_eq!(explain(one_tap, bytes(n)).bound, bound);
        }
        let large = explain(Pool1d::max([999]).padding([499]), bytes(l1));
        assert_eq!(large.bound, Bound::Arithmetic);
        assert!(large.merges_per_byte() > 100.0);
    }

    #[test]
    fn what_linux_says_of_a_cache() {
        assert_eq!(cache("1", "Data", "48K"), Some((0, 48 << 10)));
        assert_eq!(cache("3", "Unified", "32768K"), Some((2, 32 << 20)));
        assert_eq!(cache("1", "Instruction", "32K"), None);
        assert_eq!(cache("4", "Unified", "131072K"), None);
        assert_eq!(cache("2", "Unified", "lots"), None);
        assert_eq!(cache("", "", ""), None);
    }

    #[test]
    fn any_case_is_explained_in_100_columns() {
        for case in (0..300).map(Case::random) {
            for backend in crate::BACKENDS.iter().filter(|backend| backend.is_supported()) {
                let text = case.explain(Some(backend)).unwrap().to_string();
                assert!(text.contains(backend.name()), "{text}");
                for line in text.lines() {
                    assert!(line.chars().count() <= 100, "{line}");
                }
            }
        }
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
    }
}
