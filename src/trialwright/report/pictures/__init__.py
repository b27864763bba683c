"""Pictures of a campaign, for screens (Plotly) and for papers (Matplotlib).

A picture is described once, as charts of marks (`chart`), and drawn by either library; its one
sentence is made from the numbers that it shows.
"""
