// SPDX-License-Identifier: Apache-2.0
// Safe: C reads the bytes of the two collections during its call and keeps no pointer.

internal import CWeirKernels

extension Buffer {
  /// How often `pattern` is in the buffer; places may overlap. An empty pattern is nowhere.
  package func count(of pattern: [UInt8]) -> Int {
    withUnsafeBytes { bytes in
      pattern.withUnsafeBytes {
        weir_count_bytes(bytes.baseAddress, bytes.count, $0.baseAddress, $0.count)
      }
    }
  }

  /// Whether `pattern` is in the buffer.
  package func contains(_ pattern: [UInt8]) -> Bool { count(of: pattern) > 0 }
}
