"""Queries by hand: every operator on every type of field."""

from __future__ import annotations

KEYWORDS = r"""
type:image
type:IMAGE
type:(image OR video)
type:(image AND video)
type:(-image)
NOT type:(video OR audio)
module:image_studio
module:"Image_Studio"
module:story_writer
submodule:"edit studio"
tags:nature
tags:NATURE
tags:(nature forest)
tags:(nature OR forest OR lake)
tags:(nature -forest)
tags:"two words"
tags:"Two  Words"
tags:fair-trade
tags:a\:b
tags:a:b
tags:sci/fi
tags:café
tags:cafe
tags:strasse
tags:straße
tags:東京
tags:"trailing dot."
tags:"quo\"te"
tags:"back\\slash"
tags:"question?"
tags:"per*cent"
tags:[a TO f]
tags:{forest TO nature}
tags:>nature
tags:missing
ext:jpg
ext:tar.gz
ext:gz
mime_type:image/jpeg
mime_type:image*
license:"cc-by-4.0"
license:cc0
creator:"jane doe"
creator:"O'Brien"
creator:"Ōe Kenzaburō"
creator:[b TO k]
rights_code:rm
colours:teal
colours:"#ffffff"
collections:"best of 2024"
in:favorites
lightboxes:"client a"
storage_folder:"nature/water"
storage_folder:[nature TO nature/water]
taxonomy:"nature/water/lake"
external_url:"https://example.com/a/1?b=1"
status:completed
state:processed
user_id:user_3
by:User_3
by:me
id:asset_12
asset_id:asset_12
id:(asset_1 OR asset_2 OR asset_3)
slug:[a TO c]
orientation:6
aspect:square
aspect:(landscape OR panorama)
format:png
model:"flux.1 dev"
sampler:"euler a"
camera_make:canon
camera_model:"EOS 5D"
lens:"EF50mm f/1.8 STM"
language:en
guid:*
sid:*
"""

TEXTS = r"""
title:mountain
title:(mountain lake)
title:(mountain OR lake)
title:(mountain -lake)
title:"mountain lake"
title:[a TO m]
title:{lake TO mountain]
title:>z
title:fair-trade
title:"12:30"
title:v2.1
title:café
description:landscape
description:"red blue"~3
alt_text:snow
credit:reuters
credit:"france presse"
credit:wide
source_info:quiet
filename:img
filename:generated
filename:walk
filename:river
filename:"snow lake"
filename:report
filename:report.final
filename:café-photo
filename:photo
filename:日本
filename:a'b
filename:12
filename:IMG12
filename:jpg
filename:tar.gz
prompt:lake
negative_prompt:blue
camera:canon
camera:"eos 5d"
camera:[canon TO leica]
"""

NUMBERS = r"""
width:1024
width:1024px
width:[800 TO 2048]
width:{800 TO 2048]
width:[800 TO 2048}
width:{800 TO 2048}
width:[* TO 800]
width:[2048 TO *]
width:>1024
width:>=1024
width:<1024
width:<=1024
width:(512 OR 800)
width:(>512 AND <2048)
width:([500 TO 600] OR {2000 TO 3000})
width:-1
width:[-5 TO 600]
height:"600"
height:["600" TO "1024"]
file_size:100000
file_size:[100000 TO 500000]
file_size:>5mb
file_size:<=0.5mb
file_size:<100kib
duration:30
duration:[30 TO 120]
duration:{30 TO 120}
duration:<2m
duration:>=1:30
duration:90s
frame_rate:23.976
frame_rate:>=24
seed:123456789
seed:9007199254740992
seed:9007199254740993
seed:>9007199254740992
seed:>9223372036854775807
seed:[0 TO 9007199254740992]
seed:0
steps:[20 TO 30]
guidance_scale:7.5
guidance_scale:-1.25
guidance_scale:[-2 TO 3]
guidance_scale:<0
rating:5
rating:>=4
rating:0
iso:<=400
f_number:2.8
f_number:<2.8
exposure_time:<0.01
exposure_time:0.001
downloads:>5
usage_stats.downloads:[10 TO 20]
views:0
cost.amount:[0.01 TO 0.10]
cost.amount:0.1
cost.amount:>0.29
credits_used:>=5
number:[1 TO 20]
number:7
version:>1
"""

DATES = r"""
created_at:2024
created_at:2024-05
created_at:2024-05-01
created_at:2024-02-29
created_at:[2024-01-01 TO 2024-01-31]
created_at:{2024-01-01 TO 2024-01-31}
created_at:[2024-01 TO 2024-03}
created_at:>2023
created_at:>=2023-12-31
created_at:<2024
created_at:<=2024-01-01
created_at:>now-7d/d
created_at:[now-1M/M TO now/M]
created_at:[2024-01-31||-1M TO today]
created_at:yesterday
created_at:2024-05-01T00:00:00Z
created_at:[2024-05-01T12 TO 2024-05-02T12:30]
captured_at:[2000 TO 2010]
captured_at:2005-06
captured_at:<2001
expires_at:<now
expires_at:>now
updated_at:>2025
deleted_at:*
deleted_at:>2024-01-01
deleted_at:[* TO 2024-12-31]
created_at:1704067200
created_at:2024-01-01T00:00:00+02:00
"""

OTHERS = r"""
is_public:true
is_public:false
is_public:(true OR false)
is:favorite
is:public
is:private
is:deleted
is:expired
is:mine
is_deleted:false
is_deleted:true
has:gps
has:title
has:description
has:tags
has:people
has:custom
has:custom.weight
has:exif
has:exif.fnumber
has:extra.codec
has:model
has:seed
has:deleted_at
missing:description
missing:gps
missing:people
missing:custom.due
missing:exif
_exists_:captured_at
gps:*
people:*
suggested_tags:*
custom.colour:*
near:"52.37,4.89 500km"
near:"0,0 2000km"
near:"0,179.9 3000km"
near:"89,0 3000km"
near:"-80,10 1000mi"
near:"-25.5,-124 3000mi"
bounds:"53.6,7.2,50.7,3.3"
bounds:"60,30,-20,-10"
bounds:"10,-170,-10,170"
bounds:"85,180,-85,-180"
people:jane
people:"jane doe"
people.name:jane
people.role:model
people:(name:jane AND role:model)
people:(name:ann AND role:editor)
people:(name:ray -role:editor)
people:(name:ann OR name:bob)
people:(role:model) people:(role:editor)
NOT people:(role:model)
people:(name:"ann lee" role:*)
people.role:[a TO m]
suggested_tags:water
suggested_tags:(tag:water AND confidence:>80)
suggested_tags:(tag:water AND confidence:[79.9 TO 80])
suggested_tags.confidence:>=83.7
suggested_tags.confidence:<20
custom.colour:red
custom.colour:"dark red"
custom.colour:dark
custom.colour:7
custom.colour:2024-05-01
custom.weight:5
custom.weight:5.0
custom.weight:5.5
custom.weight:[4 TO 5.5}
custom.weight:>5
custom.due:2024-05-01
custom.due:[2024-05-01 TO 2024-05-31]
custom.due:>2024-05
custom.due:soon
custom.note:lake
custom.note:"mountain lake"
custom.note:"mountain lake"~3
custom.ok:true
custom.ok:false
custom.sizes:s
custom.sizes:(s xl)
custom.colour:[a TO m]
exif.FNumber:2.0
exif.fnumber:2.8
exif.Image\ Make:canon
exif.image_make:nikon
exif.GPS.Altitude:2
exif.fnumber:(2.0 OR 2.8)
iptc.city:amsterdam
iptc.city:zürich
iptc.city:zurich
iptc.keywords:nature
iptc.keywords:"two words"
extra.codec:h264
extra.codec:AV1
extra.bits:10
extra.bits:8
mountain^2 landscape
tags:nature^5 OR lake
(mountain OR lake)^3 forest
type:image^2
"mountain lake"^3 OR type:video
"""
