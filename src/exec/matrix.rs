//! Matrix products.

use gemm::{Parallelism, gemm};

/// How a matrix lies in a slice: the distances between neighbouring rows and between neighbouring columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Layout {
    /// Row by row.
    pub(super) fn rows(columns: usize) -> Self {
        Self { row: columns, column: 1 }
    }

    /// The transpose of what lies row by row.
    pub(super) fn columns(rows: usize) -> Self {
        Self { row: 1, column: rows }
    }

    /// Elements that a matrix reaches over; `None` on overflow.
    fn reach(self, rows: usize, columns: usize) -> Option<usize> {
        let last = rows.checked_sub(1)?.checked_mul(self.row)?;
        last.checked_add(columns.checked_sub(1)?.checked_mul(self.column)?)?.checked_add(1)
    }
}

/// Whether a product takes all threads, or one because others work beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    All,
    One,
}

/// Adds the product of `lhs` [m, k] and `rhs` [k, n] to `out` [m, n], whose rows have no gaps inside. Does nothing where a
/// matrix would not lie within its slice.
pub(super) fn multiply_add(
    [m, k, n]: [usize; 3],
    lhs: (&[f32], Layout),
    rhs: (&[f32], Layout),
    out: (&mut [f32], Layout),
    threads: Threads,
) {
    let inside = |found: usize, layout: Layout, rows, columns| {
        layout.reach(rows, columns).is_some_and(|reach| reach <= found && isize::try_from(reach).is_ok())
    };
    let fits = inside(lhs.0.len(), lhs.1, m, k) && inside(rhs.0.len(), rhs.1, k, n) && inside(out.0.len(), out.1, m, n);
    debug_assert!(fits || m * n * k == 0, "{m} {k} {n}");
    if !fits {
        return;
    }
    let parallelism = match threads {
        Threads::All if rayon::current_num_threads() > 1 => Parallelism::Rayon(0),
        _ => Parallelism::None,
    };
    // SAFETY: each matrix was found to lie within its slice, and `out` is borrowed mutably, so it is none of the others.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.0.as_mut_ptr(),
            out.1.column as isize,
            out.1.row as isize,
            true,
            lhs.0.as_ptr(),
            lhs.1.column as isize,
            lhs.1.row as isize,
            rhs.0.as_ptr(),
            rhs.1.column as isize,
            rhs.1.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
