// SPDX-License-Identifier: Apache-2.0

/// Bytes that nobody can guess.
func unpredictableBytes(count: Int) -> [UInt8] {
  // The system's generator reads getrandom(2), which is fit for keys.
  var generator = SystemRandomNumberGenerator()
  return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}

/// Compares in a time that does not depend on where the difference is.
func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  guard left.count == right.count else { return false }
  var difference: UInt8 = 0
  for index in left.indices { difference |= left[index] ^ right[index] }
  return difference == 0
}
