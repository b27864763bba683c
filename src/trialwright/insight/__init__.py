"""How a search behaved: measures over campaigns, ours and other people's; pure.

A measure takes a campaign, or several, and returns what it found as figures, a table and one
sentence (`measured.Measured`), or says why it can't be told. Our own studies become campaigns by
`ours.campaign_of`; logs, by `campaigns.read`.
"""
