// Where a place of a straightened sheet lies in the photograph of it, and the other way.

const SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]];

/**
 * corners: of the sheet in a photograph of width x height pixels, clockwise from the top left; none
 * where the picture is the drawing itself. Maps take and give shares: outward from the coloured
 * picture to the photograph, inward back.
 */
export function mapping(corners, width, height) {
  if (corners.length !== 4) return { outward: (point) => point, inward: (point) => point };
  const quad = corners.map(([x, y]) => [x / width, y / height]);
  return { outward: projection(SQUARE, quad), inward: projection(quad, SQUARE) };
}

/** The projective map that takes four points to four others (Heckbert 1989, section 2.2.3). */
function projection(from, to) {
  const rows = [];
  for (const [index, [x, y]] of from.entries()) {
    const [u, v] = to[index];
    rows.push([x, y, 1, 0, 0, 0, -x * u, -y * u, u], [0, 0, 0, x, y, 1, -x * v, -y * v, v]);
  }
  const [a, b, c, d, e, f, g, h] = solved(rows);
  return ([x, y]) => {
    const scale = g * x + h * y + 1;
    return [(a * x + b * y + c) / scale, (d * x + e * y + f) / scale];
  };
}

/** Gauss and Jordan's elimination, with the largest pivot; rows end in the right side. */
function solved(rows) {
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column; row < size; row++) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const factor = rows[row][column] / rows[column][column];
      for (let at = column; at <= size; at++) rows[row][at] -= factor * rows[column][at];
    }
  }
  return rows.map((row, index) => row[size] / row[index]);
}
