//! Arrays are pooled as slices are, however they lie.

mod common;

use common::assert_same_bits;
use lanepool::{Error, Layout, Plan, Pool, Pool1d, Pool2d, Pool3d, Shape};
use ndarray::{Array, Array4, ArrayD, ArrayView4, Axis, Ix4, IxDyn, s};

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
fn other_orders_and_parts_are_pooled() {
    let pool = Pool2d::average([2, 3]).stride([1, 2]);
    let array = numbered(&[4, 6, 9, 10]).into_dimensionality::<Ix4>().unwrap();
    let standard = |view: ArrayView4<'_, f32>| {
        let copy = view.as_standard_layout();
        let pooled = pool.pool_array(Layout::ChannelsFirst, copy.view()).unwrap();
        pooled.as_slice().unwrap().to_vec()
    };
    let mut backwards = array.view();
    backwards.invert_axis(Axis(0));
    for (what, view) in [
        ("width and height swapped", array.view().permuted_axes([0, 1, 3, 2])),
        ("all the other way round", array.view().permuted_axes([3, 2, 1, 0])),
        ("every other image", array.slice(s![..;2, .., .., ..])),
        ("the images backwards", backwards),
        ("some channels", array.slice(s![.., 2..5, .., ..])),
    ] {
        let pooled = pool.pool_array(Layout::ChannelsFirst, view).unwrap();
        assert_same_bits(pooled.as_standard_layout().as_slice().unwrap(), &standard(view), what);
    }

    let blocks = numbered(&[2, 3, 9, 10, 8]);
    let layout = Layout::Blocked(8);
    let plan: Plan<f32> = pool.plan(layout, Shape::new(2, 24, [9, 10])).unwrap();
    let mut want = vec![0.0; plan.output_len()];
    plan.run(blocks.as_slice().unwrap(), &mut want).unwrap();
    let pooled = pool.pool_array(layout, blocks.view()).unwrap();
    assert_eq!(pooled.shape(), [2, 3, 8, 4, 8]);
    assert_same_bits(pooled.as_slice().unwrap(), &want, "blocks");
    let error = pool.pool_array(Layout::Blocked(4), blocks.view()).unwrap_err();
    assert!(matches!(error, Error::Length { .. }), "{error}");
}

#[test]
fn what_cannot_be_pooled_is_an_error() {
    let pool = Pool2d::max([2, 2]);
    let array = Array4::<f32>::zeros([2, 3, 8, 8]);
    let mut mirrored = array.view();
    mirrored.invert_axis(Axis(3));
    let error = pool.pool_array(Layout::ChannelsFirst, mirrored).unwrap_err();
    assert!(matches!(error, Error::Strides { ref strides, .. } if strides[3] == -1), "{error}");
    let crop = array.slice(s![.., .., 1.., 1..]);
    let error = pool.pool_array(Layout::ChannelsFirst, crop).unwrap_err();
    assert!(matches!(error, Error::Strides { ref shape, .. } if *shape == [1, 3, 7, 7]), "{error}");
    let plane = array.index_axis(Axis(0), 0);
    let error = pool.pool_array(Layout::ChannelsFirst, plane).unwrap_err();
    assert_eq!(error, Error::Axes { expected: 4, actual: 3 });
    let thin = Array::<f32, Ix4>::zeros([1, 1, 1, 8]);
    let error = pool.pool_array(Layout::ChannelsFirst, thin.view()).unwrap_err();
    assert!(matches!(error, Error::KernelTooLarge { .. }), "{error}");
}
