// SPDX-License-Identifier: Apache-2.0
// Safe: samples are read within the counts given.

internal import WeirColumnar

/// Dictionaries of the columns of a file that is written, so that columns of the same values (ids of
/// one space, in several lists and alone) share one.
///
/// 1. A column that decides for or against a dictionary of its own asks which one knows a sample of
///    its page, `sampleCount` values from all over it.
/// 2. It looks its whole page up in that one, without adding to it, and compares what codes and
///    missing values take with a dictionary of its own.
/// 3. Where sharing is smaller, both columns refer to one array, which grows by what either brings.
///
/// At most `countMax` dictionaries are asked: those made or joined last.
final class SharedDictionaries {
  struct Entry<D: AnyObject> {
    let dictionary: D
    let writer: AuxiliaryWriter
  }

  private var entries: [(dictionary: AnyObject, writer: AuxiliaryWriter)] = []

  private static let countMax = 64
  private static let sampleCount = 64
  /// Dictionaries of fewer bytes are not worth it.
  static let byteCountMin = 4 << 10
  /// A column with a dictionary so much smaller keeps it: who reads that column alone would read all of the
  /// other one.
  static let ratioMax = 8
  /// Pages of a column that a dictionary serves, at a guess, when two ways to have one are compared.
  static let pagesExpected = 8.0

  /// Remembers a dictionary that others may share.
  func add(_ dictionary: AnyObject, _ writer: AuxiliaryWriter) {
    entries.insert((dictionary, writer), at: 0)
    if entries.count > Self.countMax { entries.removeLast() }
  }

  /// Says that a column joined.
  func use(_ dictionary: AnyObject) {
    guard let index = entries.firstIndex(where: { $0.dictionary === dictionary }) else { return }
    entries.insert(entries.remove(at: index), at: 0)
  }

  /// The dictionary that lacks the fewest values of a sample, if it has half of them.
  private func best<D: AnyObject>(
    of count: Int, _ missing: (D) -> Int?
  ) -> Entry<D>? {
    var best: (entry: Entry<D>, missing: Int)?
    for entry in entries {
      guard let dictionary = entry.dictionary as? D, let missing = missing(dictionary),
        missing * 2 <= count, missing < best?.missing ?? .max
      else { continue }
      best = (Entry(dictionary: dictionary, writer: entry.writer), missing)
      if missing == 0 { break }
    }
    return best?.entry
  }

  func best<T: PageNumber>(
    _ values: UnsafePointer<T>, _ count: Int
  ) -> Entry<GrowingDictionary<T>>? {
    if entries.isEmpty { return nil }
    let places = Self.places(count)
    let sample = places.map { values[$0] }
    var codes = [UInt32](repeating: 0, count: sample.count)
    return sample.withUnsafeBufferPointer { sample in
      best(of: sample.count) { (dictionary: GrowingDictionary<T>) in
        dictionary.find(sample.baseAddress!, sample.count, &codes)
      }
    }
  }

  func best(_ rows: StringRows) -> Entry<StringDictionary>? {
    if entries.isEmpty { return nil }
    let sample = rows.sample(Self.places(rows.lengths.count))
    if sample.lengths.isEmpty { return nil }
    var codes = [UInt32](repeating: 0, count: sample.lengths.count)
    return best(of: sample.lengths.count) { (dictionary: StringDictionary) in
      dictionary.find(sample, count: sample.lengths.count, &codes)
    }
  }

  /// Places of a sample, from all over the page.
  private static func places(_ count: Int) -> [Int] {
    let step = max(1, count / sampleCount) | 1
    return Array(stride(from: 0, to: count, by: step))
  }
}

extension StringRows {
  /// The strings of some rows that are not null, in ascending order.
  fileprivate func sample(_ places: [Int]) -> StringRows {
    var lengths: [UInt32] = []
    let out = MutableBuffer()
    var (row, byte) = (0, 0)
    for place in places {
      while row < place {
        byte += Int(self.lengths[row])
        row += 1
      }
      if isValid?.contains(place) == false { continue }
      lengths.append(self.lengths[place])
      out.append(bytes.slice(offset: byte, count: Int(self.lengths[place])))
    }
    return StringRows(lengths: lengths, bytes: out.finish())
  }
}
