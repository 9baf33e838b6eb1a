//! Arrays are pooled as slices are, however they lie.

mod common;

use common::assert_same_bits;
use lanepool::{Error, Layout, Plan, Pool, Pool1d, Pool2d, Pool3d, Shape};
use ndarray::{Array, Array4, ArrayD, Axis, Ix4, IxDyn};

/// An array of these sizes, all of whose elements differ.
fn numbered(sizes: &[usize]) -> ArrayD<f32> {
    let len = sizes.iter().product::<usize>();
    let elements = (0..len).map(|i| (i * 7919 % 104_729) as f32 - 40_000.0).collect();
    Array::from_shape_vec(IxDyn(sizes), elements).unwrap()
}

fn check<const D: usize>(pool: Pool<D>, spatial: [usize; D]) {
    for (batch, channels) in [(2, 3), (1, 1), (0, 2), (3, 0)] {
        let first: Vec<usize> = [batch, channels].into_iter().chain(spatial).collect();
        let planes = numbered(&first);
        let plan: Plan<f32> =
            pool.plan(Layout::ChannelsFirst, Shape::new(batch, channels, spatial)).unwrap();
        let mut want = vec![0.0; plan.output_len()];
        plan.run(planes.as_slice().unwrap(), &mut want).unwrap();

        // The same tensor in both orders of memory, with both orders of axes.
        let order: Vec<usize> = [0].into_iter().chain(2..D + 2).chain([1]).collect();
        let back: Vec<usize> = [0, D + 1].into_iter().chain(1..=D).collect();
        let pixels = planes.view().permuted_axes(order.clone());
        let pixels = pixels.as_standard_layout().into_owned();
        for (what, view) in
            [("planes", planes.view()), ("pixels", pixels.view().permuted_axes(back.clone()))]
        {
            let pooled = pool.pool_array(Layout::ChannelsFirst, view.clone()).unwrap();
            assert_eq!(pooled.shape()[2..], plan.output_size());
            assert_same_bits(pooled.as_standard_layout().as_slice().unwrap(), &want, what);
            let turned = view.permuted_axes(order.clone());
            let pooled = pool.pool_array(Layout::ChannelsLast, turned).unwrap();
            let pooled = pooled.permuted_axes(back.clone());
            assert_same_bits(pooled.as_standard_layout().as_slice().unwrap(), &want, what);
        }
    }
}

#[test]
fn arrays_are_pooled_as_slices_are() {
    check(Pool1d::average([3]).stride([2]).padding([1]), [17]);
    check(Pool2d::max([3, 2]).stride([2, 1]).dilation([1, 2]), [11, 9]);
    check(Pool3d::average([2, 3, 2]).padding([1, 1, 0]), [4, 6, 5]);
}

#[test]
fn what_cannot_be_pooled_is_an_error() {
    let pool = Pool2d::max([2, 2]);
    let array = Array4::<f32>::zeros([2, 3, 8, 8]);
    let mut reversed = array.view();
    reversed.invert_axis(Axis(3));
    let error = pool.pool_array(Layout::ChannelsFirst, reversed).unwrap_err();
    assert!(matches!(error, Error::Strides { ref strides, .. } if strides[3] == -1), "{error}");
    let plane = array.index_axis(Axis(0), 0);
    let error = pool.pool_array(Layout::ChannelsFirst, plane).unwrap_err();
    assert_eq!(error, Error::Axes { expected: 4, actual: 3 });
    let thin = Array::<f32, Ix4>::zeros([1, 1, 1, 8]);
    let error = pool.pool_array(Layout::ChannelsFirst, thin.view()).unwrap_err();
    assert!(matches!(error, Error::KernelTooLarge { .. }), "{error}");
}
