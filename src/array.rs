//! Poolings of `ndarray`'s arrays.

use crate::{Element, Error, Layout, Pool, Shape};
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, Dimension};

impl<const D: usize> Pool<D> {
    /// Pools an array in this thread. Its axes are those of `layout`: batch, channels and the spatial ones, or
    /// channels at the end; so are those of the result.
    ///
    /// Nothing is copied: the elements have to lie without gaps, in the order of `layout` or in that of the
    /// other one. So an array with channels last can be pooled by its view with channels first, and gives such a
    /// view. The result has the order of the input in memory, and the same bits in any.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan); if there are not `D` + 2 axes; or if the elements lie in no such order, as those
    /// of a part of an array do: pool [`as_standard_layout`] of it, which copies where it has to.
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
    /// let part = pixels.slice(s![.., ..20, ..20, ..]);
    /// let error = pool.pool_array(Layout::ChannelsLast, part).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "an array of shape [1, 20, 20, 3] with strides [6000, 150, 3, 1], whose elements do not lie one \
    ///      after the other, neither in the order of its axes nor with channels elsewhere"
    /// );
    /// assert!(pool.pool_array(Layout::ChannelsLast, part.as_standard_layout().view()).is_ok());
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn pool_array<T: Element, I: Dimension>(
        &self,
        layout: Layout,
        input: ArrayView<'_, T, I>,
    ) -> Result<Array<T, I>, Error> {
        let input = input.into_dyn();
        if input.ndim() != D + 2 {
            return Err(Error::Axes { expected: D + 2, actual: input.ndim() });
        }
        let other = match layout {
            Layout::ChannelsFirst => Layout::ChannelsLast,
            Layout::ChannelsLast => Layout::ChannelsFirst,
        };
        let output = match self.pool_lying(layout, layout, input.view()) {
            None => self.pool_lying(other, layout, input.view()),
            pooled => pooled,
        };
        let output = output.unwrap_or_else(|| {
            let (shape, strides) = (input.shape().to_vec(), input.strides().to_vec());
            Err(Error::Strides { shape, strides })
        })?;
        Ok(output.into_dimensionality().expect("as many axes as the input has"))
    }

    /// Pools an array with the axes of `layout`, if its elements lie one after the other in the order of
    /// `memory`.
    fn pool_lying<T: Element>(
        &self,
        memory: Layout,
        layout: Layout,
        input: ArrayViewD<'_, T>,
    ) -> Option<Result<ArrayD<T>, Error>> {
        let input = input.permuted_axes(axes::<D>(layout, memory));
        let elements = input.as_slice()?;
        Some(self.pool_elements(memory, input.shape(), elements).map(|(sizes, output)| {
            let output = ArrayD::from_shape_vec(sizes, output).expect("the sizes of the plan");
            output.permuted_axes(axes::<D>(memory, layout))
        }))
    }

    /// The sizes of the output of a tensor of such sizes, and its elements.
    fn pool_elements<T: Element>(
        &self,
        layout: Layout,
        sizes: &[usize],
        input: &[T],
    ) -> Result<(Vec<usize>, Vec<T>), Error> {
        let (channels, first) = match layout {
            Layout::ChannelsFirst => (sizes[1], 2),
            Layout::ChannelsLast => (sizes[D + 1], 1),
        };
        let spatial = core::array::from_fn(|i| sizes[first + i]);
        let plan = self.plan(layout, Shape::new(sizes[0], channels, spatial))?;
        let mut output = vec![T::zeroed(); plan.output_len()];
        plan.run(input, &mut output)?;
        let mut sizes = sizes.to_vec();
        sizes[first..first + D].copy_from_slice(&plan.output_size());
        Ok((sizes, output))
    }
}

/// Where the axes of layout `to` are among those of layout `from`.
fn axes<const D: usize>(from: Layout, to: Layout) -> Vec<usize> {
    match (from, to) {
        (Layout::ChannelsFirst, Layout::ChannelsLast) => {
            [0].into_iter().chain(2..D + 2).chain([1]).collect()
        }
        (Layout::ChannelsLast, Layout::ChannelsFirst) => {
            [0, D + 1].into_iter().chain(1..=D).collect()
        }
        _ => (0..D + 2).collect(),
    }
}
