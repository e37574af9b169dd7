// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// Guesses at sizes from samples. Safe: reads only the `count` values of `width` bytes.
enum EncodeEstimate {
  /// Bits per value after BYTE_STREAM_SPLIT and an entropy coder: the order-0 entropies of the
  /// bytes at each place, added up, from up to 4,096 values.
  ///
  /// - Parameter codesEntropy: whether the codec codes single bytes by frequency (zstd, gzip,
  ///   brotli); those that only replace repetitions (LZ4, snappy) shorten little but runs.
  static func splitBits(
    _ values: UnsafeRawPointer, width: Int, count: Int, codesEntropy: Bool = true
  ) -> Double {
    if count == 0 { return 0 }
    let stretches = 8
    let stretch = min(512, max(64, count / 80), (count + stretches - 1) / stretches)
    let sampled = min(count, stretch * stretches)
    var bits = 0.0
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256 * width) { counts in
      counts.initialize(repeating: 0)
      let histogram = counts.baseAddress!
      for sample in 0..<stretches {
        let first = (count - stretch) * sample / max(stretches - 1, 1)
        if sample * stretch >= sampled { break }
        for index in first..<first + stretch {
          let value = values + index * width
          for place in 0..<width {
            histogram[place * 256 + Int(value.load(fromByteOffset: place, as: UInt8.self))] += 1
          }
        }
      }
      let total = Double((0..<256).reduce(0) { $0 + Int(histogram[$1]) })
      for place in 0..<width {
        // Entropy coders of whole symbols spend about a bit on every byte that varies at all.
        let entropy = entropy(histogram + place * 256, total)
        if codesEntropy {
          bits += entropy == 0 ? 0 : max(entropy, 0.9)
        } else {
          bits += min(entropy * 4, 8)
        }
      }
    }
    return bits
  }

  private static func entropy(_ histogram: UnsafePointer<UInt32>, _ total: Double) -> Double {
    var sum = 0.0
    for symbol in 0..<256 where histogram[symbol] > 0 {
      let share = Double(histogram[symbol])
      if share == total { return 0 }
      sum += weights[Int(histogram[symbol])]
    }
    return log2(total) - sum / total
  }

  /// n log2(n) for counts of a sample.
  private static let weights: [Double] = (0...4_096).map {
    $0 == 0 ? 0 : Double($0) * log2(Double($0))
  }

  /// Share of a value's bytes that it has in common with the start of the value before, and the
  /// values' average length, from up to 1,024 neighbours.
  static func prefixShare(_ views: UnsafePointer<ByteView>, count: Int) -> (Double, Double) {
    if count < 2 { return (0, Double(count == 1 ? views[0].count : 0)) }
    var shared = 0
    var total = 0
    let sampled = min(count - 1, 1_024)
    let start = (count - 1 - sampled) / 2
    for index in start + 1...start + sampled {
      shared += EncodeBytes.commonPrefix(views[index - 1], views[index])
      total += views[index].count
    }
    return (total == 0 ? 0 : Double(shared) / Double(total), Double(total) / Double(sampled))
  }
}
