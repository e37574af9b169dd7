// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression

/// How a column chunk's values are stored, and about how large they get.
struct EncodingChoice {
  var encoding: Encoding
  /// Bits per value before compression, for the size of pages.
  var bits: Double
  var dictionary: ColumnDictionary?
}

/// Chooses the encoding of a column chunk from the whole chunk's values.
///
/// 1. An encoding that the options name is taken.
/// 2. Integers: the size of the delta encoding is measured on sampled blocks, that of
///    BYTE_STREAM_SPLIT with compression estimated by the entropy of sampled bytes. Reading the
///    latter costs more, so it has to be a tenth smaller.
/// 3. A dictionary is built as long as it may become smaller than the best of those, counting on
///    compression, which is then tried on a sample of the indices. It is kept when it is not
///    much larger than the best: its pages are the fastest to read.
/// 4. Floating-point numbers without a dictionary are split into byte streams when that makes them
///    compressible, byte arrays get their lengths apart from their bytes, or shared prefixes left
///    out when neighbours share many.
struct EncodingChooser {
  /// What BYTE_STREAM_SPLIT of integers costs in reading, as a factor on its size.
  private static let splitPenalty = 1.1

  /// How much larger a dictionary may be than the best other encoding: reading it is faster.
  private static let dictionaryBonus = 1.2

  let plan: LeafPlan
  let settings: ParquetWriteOptions.Column
  let options: ParquetWriteOptions
  let compressor: Compressor?

  private var isCompressed: Bool { compressor != nil }

  private var codesEntropy: Bool {
    switch compressor?.codec {
    case .zstd, .gzip, .brotli: true
    default: false
    }
  }

  /// Most that compression of dictionary indices is counted on for while the dictionary is built.
  private static let hopedRatio = 0.5
  /// Values that a trial of compression encodes.
  private static let trialCount = 8_192

  func choose(_ values: LeafValues) throws(ParquetError) -> EncodingChoice {
    if let encoding = settings.encoding { return try named(encoding, values) }
    if values.count == 0 { return EncodingChoice(encoding: .plain, bits: 1) }
    switch values.form {
    case .bits:
      return EncodingChoice(encoding: options.encodings == .all ? .rle : .plain, bits: 1)
    case .fixed: return chooseNumbers(values)
    case .fixedBytes, .views: return chooseBytes(values)
    }
  }

  private func named(
    _ encoding: Encoding, _ values: LeafValues
  ) throws(ParquetError) -> EncodingChoice {
    guard ValueEncoder.supports(encoding, plan.physicalType) else {
      throw ParquetError(
        .invalidArgument, "values of type \(plan.physicalType) cannot have encoding \(encoding)",
        column: plan.path.joined(separator: "."))
    }
    guard encoding.isDictionary else {
      return EncodingChoice(encoding: encoding, bits: plainBits(values))
    }
    let limits = DictionaryLimits(bytesMax: 1 << 30, otherBits: .infinity)
    guard values.count > 0,
      let dictionary = ColumnDictionary(values, order: plan.order, limits: limits)
    else { return EncodingChoice(encoding: .plain, bits: plainBits(values)) }
    return EncodingChoice(
      encoding: .rleDictionary, bits: Double(dictionary.width), dictionary: dictionary)
  }

  private func plainBits(_ values: LeafValues) -> Double {
    switch values.form {
    case .bits: return 1
    case .fixed(let width), .fixedBytes(let width): return Double(width * 8)
    case .views:
      let total = EncodeBytes.totalBytes(values.at(0, as: ByteView.self), count: values.count)
      return Double(total * 8) / Double(max(values.count, 1)) + 32
    }
  }

  private var mayUseDictionary: Bool { settings.dictionary ?? options.dictionary }

  private var mayUseAll: Bool { options.encodings == .all && !plan.hasOnlyNullsFromAbove }

  private func chooseNumbers(_ values: LeafValues) -> EncodingChoice {
    let width = values.stride
    let isInteger = plan.physicalType == .int32 || plan.physicalType == .int64
    let plain = Double(width * 8)
    var best = EncodingChoice(encoding: .plain, bits: plain)
    // What counts is the size after compression.
    var bestCost = plain
    if isCompressed {
      let split = EncodeEstimate.splitBits(
        values.base, width: width, count: values.count, codesEntropy: codesEntropy)
      if mayUseAll {
        let cost = split * (isInteger ? Self.splitPenalty : 1)
        if cost < plain * 0.97 {
          best.encoding = .byteStreamSplit
          bestCost = cost
        }
      } else {
        // General compression of plain values comes about this near to their entropy.
        bestCost = min(plain, split * 1.2)
      }
    }
    if isInteger && mayUseAll {
      let delta =
        width == 4
        ? EncodeDelta.estimatedBits(values.at(0, as: Int32.self), count: values.count)
        : EncodeDelta.estimatedBits(values.at(0, as: Int64.self), count: values.count)
      if delta < bestCost {
        best = EncodingChoice(encoding: .deltaBinaryPacked, bits: delta)
        bestCost = delta
      }
    }
    return dictionary(values, insteadOf: best, cost: bestCost) ?? best
  }

  private func chooseBytes(_ values: LeafValues) -> EncodingChoice {
    var best = EncodingChoice(encoding: .plain, bits: plainBits(values))
    var share = 0.0
    var length = Double(values.stride)
    if case .views = values.form {
      (share, length) = EncodeEstimate.prefixShare(
        values.at(0, as: ByteView.self), count: values.count)
    }
    if plan.isDictionary {
      // pyarrow restores a dictionary column from dictionary and plain pages only.
    } else if mayUseAll, case .views = values.form {
      best.encoding = share > 0.5 && length >= 4 ? .deltaByteArray : .deltaLengthByteArray
    }
    // Compression of text halves it, about.
    let cost = best.bits * (isCompressed ? 0.5 : 1) * (1 - share / 2)
    return dictionary(values, insteadOf: best, cost: cost) ?? best
  }

  /// The dictionary when it is smaller than `cost` bits a value, or nearly as small.
  private func dictionary(
    _ values: LeafValues, insteadOf other: EncodingChoice, cost: Double
  ) -> EncodingChoice? {
    guard mayUseDictionary else { return nil }
    let limits = DictionaryLimits(
      bytesMax: options.dictionaryBytesMax,
      otherBits: cost / (isCompressed ? Self.hopedRatio : 1))
    guard let dictionary = ColumnDictionary(values, order: plan.order, limits: limits) else {
      return nil
    }
    let choice = EncodingChoice(
      encoding: .rleDictionary, bits: Double(dictionary.width), dictionary: dictionary)
    let count = Double(values.count)
    let entryBits = Double(dictionary.byteCount * 8) / count
    let limit = cost * Self.dictionaryBonus
    if Double(dictionary.width) + entryBits <= limit || plan.isDictionary { return choice }
    guard let compressor else { return nil }
    let indexBits = trialBits(dictionary, count: values.count, compressor)
    var entryRatio = 0.6
    if case .fixed(let width) = dictionary.entries.form {
      let split = EncodeEstimate.splitBits(
        dictionary.entries.base, width: width, count: dictionary.entries.count)
      entryRatio = split / Double(width * 8)
    }
    return indexBits + entryBits * entryRatio <= limit ? choice : nil
  }

  /// Compressed bits of an index, from a sample in the middle.
  private func trialBits(
    _ dictionary: ColumnDictionary, count: Int, _ compressor: Compressor
  ) -> Double {
    let sample = min(count, Self.trialCount)
    let encoded = MutableBuffer()
    EncodeHybrid.indices(
      dictionary.indices + (count - sample) / 2, count: sample, width: dictionary.width,
      into: encoded)
    let bound = compressor.maxCompressedSize(encoded.count)
    let target = MutableBuffer(capacity: bound)
    // Safe: both live until the call returns, and have the counts given.
    let written = try? compressor.compress(
      UnsafeRawBufferPointer(start: encoded.base, count: encoded.count),
      into: UnsafeMutableRawBufferPointer(start: target.reserveTail(bound), count: bound))
    return Double(min(written ?? encoded.count, encoded.count) * 8) / Double(sample)
  }
}
