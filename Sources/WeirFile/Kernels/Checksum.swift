// SPDX-License-Identifier: Apache-2.0
// Safe: C reads the bytes during its call.

internal import CWeirKernels
internal import WeirColumnar

func crc32c(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  weir_crc32c(0, bytes.baseAddress, bytes.count)
}

extension Buffer {
  var crc32c: UInt32 { withUnsafeBytes { WeirFile.crc32c($0) } }
}
