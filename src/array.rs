//! Poolings of `ndarray`'s arrays.

use crate::{Element, Error, Layout, Plan, Pool, Shape, Strides};
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, Axis, Dimension, concatenate};

impl<const D: usize> Pool<D> {
    /// Pools an array in this thread. Its axes are those of `layout`: batch, channels and the spatial ones, or
    /// channels at the end, or blocks of them; so are those of the result.
    ///
    /// No input is copied: the elements of each image have to lie one after the other, in whatever order, so that
    /// an array with channels last can be pooled by its view with channels first, and gives such a view. Parts of
    /// the batch are no matter, nor are parts of the channels where these are first. The result has the same
    /// bits however the input lies, and if that has no gaps, the same order in memory where it is that of a
    /// [`Layout`].
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan); if there are not as many axes as the layout has; or if there are gaps inside of
    /// an image, as in a crop, or if it is mirrored. Pool [`as_standard_layout`] of it then, which copies, or
    /// the slice that it is a part of, by [`plan_view`](Self::plan_view).
    ///
    /// [`as_standard_layout`]: ndarray::ArrayRef::as_standard_layout
    ///
    /// ```
    /// use lanepool::{Layout, Pool2d};
    /// use ndarray::{Array4, array, s};
    ///
    /// let pool = Pool2d::max([2, 2]);
    /// let image = array![[[[1.0f32, 5.0, 2.0], [3.0, 4.0, 6.0]]]];
    /// let pooled = pool.pool_array(Layout::ChannelsFirst, image.view())?;
    /// assert_eq!(pooled, array![[[[5.0, 6.0]]]]);
    ///
    /// // Pixels of three channels, seen as three planes.
    /// let pixels = Array4::<u8>::zeros([1, 40, 50, 3]);
    /// let planes = pixels.view().permuted_axes([0, 3, 1, 2]);
    /// let pooled = pool.pool_array(Layout::ChannelsFirst, planes)?;
    /// assert_eq!(pooled.shape(), [1, 3, 39, 49]);
    /// assert_eq!(pooled.strides(), [39 * 49 * 3, 1, 49 * 3, 3]);
    ///
    /// let crop = pixels.slice(s![.., ..20, ..20, ..]);
    /// let error = pool.pool_array(Layout::ChannelsLast, crop).unwrap_err();
    /// assert!(error.to_string().ends_with("the elements of an image do not lie one after the other"));
    /// assert!(pool.pool_array(Layout::ChannelsLast, crop.as_standard_layout().view()).is_ok());
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn pool_array<T: Element, I: Dimension>(
        &self,
        layout: Layout,
        input: ArrayView<'_, T, I>,
    ) -> Result<Array<T, I>, Error> {
        let output = self.pool_dyn(layout, input.into_dyn())?;
        Ok(output.into_dimensionality().expect("as many axes as the input has"))
    }

    fn pool_dyn<T: Element>(
        &self,
        layout: Layout,
        input: ArrayViewD<'_, T>,
    ) -> Result<ArrayD<T>, Error> {
        let (expected, other) = match layout {
            Layout::ChannelsFirst => (D + 2, Layout::ChannelsLast),
            Layout::ChannelsLast => (D + 2, Layout::ChannelsFirst),
            Layout::Blocked(_) => (D + 3, layout),
        };
        if input.ndim() != expected {
            return Err(Error::Axes { expected, actual: input.ndim() });
        }
        let pooled = self
            .pool_lying(layout, layout, input.view())
            .or_else(|| self.pool_lying(other, layout, input.view()))
            .or_else(|| self.pool_strided(layout, input.view()));
        if let Some(pooled) = pooled {
            return pooled;
        }
        if input.len_of(Axis(0)) == 1 {
            let (shape, strides) = (input.shape().to_vec(), input.strides().to_vec());
            return Err(Error::Strides { shape, strides });
        }
        let images = input.axis_chunks_iter(Axis(0), 1);
        let pooled = images.map(|image| self.pool_dyn(layout, image));
        let pooled = pooled.collect::<Result<Vec<_>, _>>()?;
        let views: Vec<_> = pooled.iter().map(|image| image.view()).collect();
        Ok(concatenate(Axis(0), &views).expect("images of one shape"))
    }

    /// Pools an array with the axes of `layout`, if its elements lie one after the other in the order of
    /// `memory`.
    fn pool_lying<T: Element>(
        &self,
        memory: Layout,
        layout: Layout,
        input: ArrayViewD<'_, T>,
    ) -> Option<Result<ArrayD<T>, Error>> {
        let input = if memory == layout { input } else { input.permuted_axes(axes(layout, D)) };
        let elements = input.as_slice()?;
        let shape = shape::<D>(memory, input.shape());
        let plan = self.plan(memory, shape);
        Some(plan.and_then(|plan| run(&plan, memory, layout, input.shape(), elements)))
    }

    /// Pools an array with the axes of `layout`, if its elements lie one after the other in any order.
    fn pool_strided<T: Element>(
        &self,
        layout: Layout,
        input: ArrayViewD<'_, T>,
    ) -> Option<Result<ArrayD<T>, Error>> {
        let input = match layout {
            Layout::ChannelsFirst => input,
            Layout::ChannelsLast => input.permuted_axes(axes(layout, D)),
            Layout::Blocked(_) => return None,
        };
        let elements = input.as_slice_memory_order()?;
        // Those of a single element may be anything, and mean nothing.
        let stride = |(&size, &stride): (&usize, &isize)| match size {
            1 => Some(1),
            _ => usize::try_from(stride).ok(),
        };
        let strides = input.shape().iter().zip(input.strides()).map(stride);
        let strides = strides.collect::<Option<Vec<_>>>()?;
        let shape = shape::<D>(Layout::ChannelsFirst, input.shape());
        let memory = match strides[1] {
            1 => Layout::ChannelsLast,
            _ => Layout::ChannelsFirst,
        };
        let strides = Strides {
            batch: strides[0],
            channels: strides[1],
            spatial: core::array::from_fn(|i| strides[2 + i]),
        };
        let plan = self.plan_view(memory, shape, strides);
        let input = match memory {
            Layout::ChannelsLast => input.view().permuted_axes(axes(Layout::ChannelsFirst, D)),
            _ => input.view(),
        };
        Some(plan.and_then(|plan| run(&plan, memory, layout, input.shape(), elements)))
    }
}

/// Runs a plan of an input of these sizes, in the order of `memory`, and returns it with the axes of `layout`.
fn run<T: Element>(
    plan: &Plan<T>,
    memory: Layout,
    layout: Layout,
    sizes: &[usize],
    input: &[T],
) -> Result<ArrayD<T>, Error> {
    let mut output = vec![T::zeroed(); plan.output_len()];
    plan.run(input, &mut output)?;
    let (spatial, mut sizes) = (plan.output_size(), sizes.to_vec());
    let first = first_spatial(memory);
    sizes[first..first + spatial.len()].copy_from_slice(&spatial);
    let output = ArrayD::from_shape_vec(sizes, output).expect("the sizes of the plan");
    Ok(if memory == layout { output } else { output.permuted_axes(axes(memory, spatial.len())) })
}

/// Where the spatial axes begin.
fn first_spatial(layout: Layout) -> usize {
    if layout == Layout::ChannelsLast { 1 } else { 2 }
}

/// What the sizes of an array are.
fn shape<const D: usize>(layout: Layout, sizes: &[usize]) -> Shape<D> {
    let channels = match layout {
        Layout::ChannelsFirst => sizes[1],
        Layout::ChannelsLast => sizes[D + 1],
        // If this is too much, planning says so; if the last axis is no block, the length is wrong.
        Layout::Blocked(block) => sizes[1].saturating_mul(block),
    };
    let first = first_spatial(layout);
    Shape::new(sizes[0], channels, core::array::from_fn(|i| sizes[first + i]))
}

/// Where the axes of the other layout are among those of this one.
fn axes(layout: Layout, rank: usize) -> Vec<usize> {
    match layout {
        Layout::ChannelsLast => [0, rank + 1].into_iter().chain(1..=rank).collect(),
        _ => [0].into_iter().chain(2..rank + 2).chain([1]).collect(),
    }
}
