// SPDX-License-Identifier: Apache-2.0
// Safe: as EncodeNumbers.swift.

internal import WeirColumnar

/// Floats as integers from -127 to 127 times a scale for each group.
enum ScaledFloats {
  /// The node of values that are such products, as `round` makes them; `nil` for others. Null ones may
  /// be anything.
  static func node(
    _ values: UnsafePointer<UInt32>, _ count: Int, group: Int, _ isValid: ValidRows?,
    _ encoder: NumberEncoder
  ) -> EncodedNode? {
    var codes = [UInt8](repeating: 0, count: count)
    var scales: [UInt32] = []
    for start in stride(from: 0, to: count, by: group) {
      let end = min(count, start + group)
      var most: Float = 0
      for index in start..<end where isValid?.contains(index) ?? true {
        most = max(most, Float(bitPattern: values[index]).magnitude)
      }
      let scale = most / 127
      scales.append(scale.bitPattern)
      for index in start..<end where isValid?.contains(index) ?? true {
        let value = Float(bitPattern: values[index])
        let quotient = scale == 0 ? 0 : (value / scale).rounded()
        guard quotient.magnitude <= 127 else { return nil }
        let code = Int8(quotient)
        guard (Float(code) * scale).bitPattern == values[index] else { return nil }
        codes[index] = UInt8(bitPattern: code)
      }
    }
    return EncodedNode(
      encoding: .scaled, kind: .four, count: count, a: UInt64(group),
      children: [encoder.encode(codes, count), encoder.encode(scales, scales.count)])
  }

  /// Writes the nearest such products to `out`. Returns the largest difference, and the largest of those
  /// to the largest value of their group; `nil` when a value is not finite.
  static func round(
    _ values: UnsafePointer<Float>, _ count: Int, group: Int, _ isValid: ValidRows?,
    _ out: UnsafeMutablePointer<Float>
  ) -> (absolute: Double, relative: Double)? {
    var (absolute, relative) = (0.0, 0.0)
    for start in stride(from: 0, to: count, by: group) {
      let end = min(count, start + group)
      var most: Float = 0
      for index in start..<end where isValid?.contains(index) ?? true {
        guard values[index].isFinite else { return nil }
        most = max(most, values[index].magnitude)
      }
      // 16 significant bits: products with all codes are exact, so that the scale can be found again.
      let scale = Float(bitPattern: ((most / 127).bitPattern + 0xff) & ~0xff)
      for index in start..<end {
        guard isValid?.contains(index) ?? true, scale > 0 else {
          out[index] = 0
          continue
        }
        out[index] = Float(Int8((values[index] / scale).rounded())) * scale
        let difference = Double((out[index] - values[index]).magnitude)
        absolute = max(absolute, difference)
        relative = max(relative, difference / Double(most))
      }
    }
    return (absolute, relative)
  }
}
