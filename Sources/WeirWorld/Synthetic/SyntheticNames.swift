// SPDX-License-Identifier: Apache-2.0

/// Names for the things of a synthetic world.
enum SyntheticNames {
  private static let adjectives = [
    "Quiet", "Golden", "Hidden", "Early", "Wild", "Slow", "Bright", "Little", "Northern", "Secret",
    "Blue", "Honest", "Midnight", "Simple", "Lost", "Modern", "Gentle", "Bold", "Rainy", "Second",
  ]
  private static let forms = [
    "Stories", "Basics", "Moments", "Mistakes", "Walks", "Lessons", "Mornings", "Sketches",
    "Tricks", "Secrets", "Evenings", "Journeys", "Notes", "Rules", "Letters", "Sessions",
  ]
  private static let syllables = [
    "ma", "ri", "no", "ta", "le", "ka", "so", "vi", "du", "el", "an", "jo", "mi", "ra", "be", "zu",
  ]

  /// `Quiet Jazz Mornings #214`
  static func title(topic: Int, number: Int, _ seed: UInt64) -> String {
    var random = Xoshiro256(seed: seed, stream: 16, index: UInt64(number))
    let adjective = adjectives[random.below(adjectives.count)]
    let form = forms[random.below(forms.count)]
    return "\(adjective) \(capitalised(SyntheticWorld.topics[topic])) \(form) #\(number + 1)"
  }

  /// `Mariko Tasole`
  static func creator(_ number: Int, _ seed: UInt64) -> String {
    var random = Xoshiro256(seed: seed, stream: 17, index: UInt64(number))
    func word(_ count: Int) -> String {
      var word = ""
      for _ in 0..<count { word += syllables[random.below(syllables.count)] }
      return capitalised(word)
    }
    let first = word(2 + random.below(2))
    return "\(first) \(word(3))"
  }

  private static func capitalised(_ word: String) -> String {
    word.prefix(1).uppercased() + word.dropFirst()
  }
}
