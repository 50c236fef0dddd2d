"""What nvinx claims about cards, measured on one: the parts of the campaign, and what they show."""
