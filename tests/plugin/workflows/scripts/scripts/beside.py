def shifted(words, by):
    return words[by:] + words[:by]
