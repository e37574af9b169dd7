// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are those of arrays, within the scope of the one call of C that gets them; the arrays'
// lengths are what the kernels read and write.

internal import CWeirKernels

/// A chunk of vectors as 8-bit codes, by which products with them are bounded.
///
/// 1. Elements are counted from the chunk's mean, in its deviation of that element, so that what vectors
/// have in common costs no codes: x = m + s u. Both are taken anew when the chunk has grown or changed
/// much; whatever they are, bounds hold.
/// 2. A vector's codes are its u in parts of `scale`, its greatest magnitude / 127, rounded:
/// u = scale (a + d). What rounding leaves is kept as the length of d.
/// 3. A query's q s are 16 bits wide: q s = scale' (b + g), |g| <= 1/2. So the product is
/// q m + scale scale' (sum of a b + e), where by Cauchy and Schwarz
/// |e| <= |d| (|b| + sqrt(dimension) / 2) + sum |a| / 2.
struct CodedVectors: Sendable {
  static let rowCount = 1_024
  private static let tileRows = 64
  /// Magnitudes below have no parts: they are rounded to 0, well within the half.
  private static let scaleMin = 1e-30
  /// The least deviation, as a share of the greatest one: an element that is the same everywhere now.
  private static let deviationMin = 1e-3
  /// A vector so many deviations away asks for new ones.
  private static let farAway = 1e4
  /// For what the computation of bounds itself loses.
  private static let roundingShare = 1.001

  private let dimension: Int
  private let pairCount: Int
  private var means: [Float]
  private var deviations: [Float]
  private var codes: [Int8]
  private var scales: [Float]
  private var errors: [Float]
  /// The greatest length of a vector since means were taken.
  private var lengthMax = 0.0
  /// Vectors that are put before means and deviations are taken anew.
  private var putsLeft = 16
  private var putCount = 0

  init(dimension: Int) {
    self.dimension = dimension
    pairCount = (dimension + 1) / 2
    means = [Float](repeating: 0, count: dimension)
    deviations = [Float](repeating: 1, count: dimension)
    codes = [Int8](repeating: 0, count: Self.rowCount * 2 * pairCount)
    scales = [Float](repeating: 0, count: Self.rowCount)
    errors = [Float](repeating: 0, count: Self.rowCount)
  }

  /// - Parameters:
  ///   - rows: the vectors behind each other, of finite elements; that of `row` is new.
  ///   - isHeld: whether there is a vector in a row.
  mutating func put(_ row: Int, of rows: [Float], isHeld: (Int) -> Bool) {
    putCount += 1
    putsLeft -= 1
    guard encode(row, rows) > Self.farAway || putsLeft <= 0 else { return }
    putsLeft = min(Self.rowCount, 3 * putCount)
    let held = (0..<Self.rowCount).filter(isHeld)
    measure(held, rows)
    lengthMax = 0
    for row in held { _ = encode(row, rows) }
  }

  private mutating func measure(_ held: [Int], _ rows: [Float]) {
    var greatest = 0.0
    for element in 0..<dimension {
      var (sum, squares) = (0.0, 0.0)
      for row in held { sum += Double(rows[row * dimension + element]) }
      let mean = Float(sum / Double(held.count))
      for row in held {
        let distance = Double(rows[row * dimension + element]) - Double(mean)
        squares += distance * distance
      }
      means[element] = mean
      deviations[element] = Float((squares / Double(held.count)).squareRoot())
      greatest = max(greatest, Double(deviations[element]))
    }
    let least = greatest > 0 ? Float(max(greatest * Self.deviationMin, Self.scaleMin)) : 1
    for element in 0..<dimension { deviations[element] = max(deviations[element], least) }
  }

  /// - Returns: how many deviations from the mean its farthest element is.
  private mutating func encode(_ row: Int, _ rows: [Float]) -> Double {
    let start = row * dimension
    var (greatest, squares) = (0.0, 0.0)
    for element in 0..<dimension {
      let value = Double(rows[start + element])
      squares += value * value
      greatest = max(greatest, distance(value, element).magnitude)
    }
    lengthMax = max(lengthMax, squares.squareRoot())
    let scale = Float(max(greatest / 127, Self.scaleMin))
    let first = row / Self.tileRows * Self.tileRows * 2 * pairCount + row % Self.tileRows * 2
    squares = 0
    for element in 0..<dimension {
      let parts = distance(Double(rows[start + element]), element) / Double(scale)
      let code = max(-127, min(127, Self.rounded(parts)))
      codes[first + element / 2 * 2 * Self.tileRows + element % 2] = Int8(code)
      squares += (parts - code) * (parts - code)
    }
    scales[row] = scale
    errors[row] = Float(squares.squareRoot() * Self.roundingShare)
    return greatest
  }

  private func distance(_ value: Double, _ element: Int) -> Double {
    (value - Double(means[element])) / Double(deviations[element])
  }

  /// To a whole number, without a call: of magnitudes below 2^51.
  private static func rounded(_ value: Double) -> Double { value + 0x1.8p52 - 0x1.8p52 }

  /// What the products with all rows are at least and at most.
  ///
  /// - Returns: `false` where they may leave the range of floats, and bounds say nothing.
  func bounds(_ query: [Float], _ space: inout BoundsSpace) -> Bool {
    // Sums of products stay below 2^31.
    let codeMax = min(32_767, (Double(1 << 30) / Double(127 * dimension)).rounded(.down))
    guard codeMax >= 1 else { return false }
    var (base, greatest, length, meanLength, widest) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for (element, value) in query.enumerated() {
      let (value, mean) = (Double(value), Double(means[element]))
      let deviation = Double(deviations[element])
      base += value * mean
      length += value * value
      meanLength += mean * mean
      widest = max(widest, deviation)
      greatest = max(greatest, (value * deviation).magnitude)
    }
    let reach = length.squareRoot() * (lengthMax + meanLength.squareRoot())
    let count = Double(dimension)
    guard
      (reach + length.squareRoot() * widest) * count * 65_536
        < Double(Float.greatestFiniteMagnitude)
    else { return false }
    let scale = Float(max(greatest / codeMax, Self.scaleMin))
    var squares = 0.0
    for (element, value) in query.enumerated() {
      let parts = Double(value) * Double(deviations[element]) / Double(scale)
      let code = max(-codeMax, min(codeMax, Self.rounded(parts)))
      space.query[element] = Int16(code)
      squares += code * code
    }
    var parameters = weir_bounds()
    parameters.base = Float(base)
    parameters.scale = scale
    parameters.error = Float((squares.squareRoot() + count.squareRoot() / 2) * Self.roundingShare)
    parameters.constant = Float(127 * count / 2 * Self.roundingShare)
    // What the product loses, each addition a 2^24th of what there may be, and its bounds do; and
    // what is too small for a float to hold well.
    parameters.slack = Float((count + 32) * 0x1p-22 * reach + 1e-34)
    weir_dot_tiles_i8(codes, Self.rowCount / Self.tileRows, space.query, pairCount, &space.sums)
    weir_dot_bounds(
      space.sums, scales, errors, Self.rowCount, &parameters, &space.lower, &space.upper)
    return true
  }
}

/// What a search writes bounds to, one chunk after the other.
struct BoundsSpace {
  fileprivate var query: [Int16]
  fileprivate var sums = [Int32](repeating: 0, count: CodedVectors.rowCount)
  fileprivate(set) var lower = [Float](repeating: 0, count: CodedVectors.rowCount)
  fileprivate(set) var upper = [Float](repeating: 0, count: CodedVectors.rowCount)
  private var indices = [UInt32](repeating: 0, count: CodedVectors.rowCount)

  init(dimension: Int) { query = [Int16](repeating: 0, count: (dimension + 1) / 2 * 2) }

  /// Rows whose products may reach `least`.
  mutating func rows(reaching least: Float) -> ArraySlice<UInt32> {
    let count = weir_select_at_least_f32(upper, CodedVectors.rowCount, least, &indices)
    return indices[..<count]
  }
}
